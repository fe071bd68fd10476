// Checks the checkpoint and the inclusion proofs of an unpacked evidence bundle with the verifier of
// the Sigstore project, which knows nothing of us. Run by tests/contract/test_independent_verifiers.py:
//
//   node verify.cjs PACKAGE FOLDER NAME PUBLIC_KEY_PEM KEY_ID_HEX ENTRIES_JSON
//
// PACKAGE is the folder of @sigstore/verify. ENTRIES_JSON lists the log entry of every record as hex.
// Prints the number of verified records.
// It reaches into the package (dist/tlog), hence the exactly pinned version in package.json.
"use strict";
const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const path = require("node:path");

const [home, folder, name, pem, keyId, entriesFile] = process.argv.slice(2);
const tlog = path.join(home, "dist", "tlog");
const { verifyCheckpoint } = require(path.join(tlog, "checkpoint.js"));
const { verifyMerkleInclusion } = require(path.join(tlog, "merkle.js"));

const log = {
  baseURL: name,
  logID: Buffer.from(keyId, "hex"),
  publicKey: createPublicKey(readFileSync(pem)),
};
const entries = JSON.parse(readFileSync(entriesFile, "utf8"));
const envelope = readFileSync(path.join(folder, "checkpoint"), "utf8");

entries.forEach((entry, at) => {
  const stem = String(at + 1).padStart(6, "0");
  const raw = readFileSync(path.join(folder, "proofs", `${stem}.tlog-proof`), "utf8");
  const lines = raw.split("\n\n", 1)[0].split("\n");
  const proven = {
    canonicalizedBody: Buffer.from(entry, "hex"),
    inclusionProof: {
      logIndex: lines[1].replace("index ", ""),
      hashes: lines.slice(2).map((line) => Buffer.from(line, "base64")),
      checkpoint: { envelope },
    },
  };
  verifyMerkleInclusion(proven, verifyCheckpoint(proven, [log]));
});
console.log(entries.length);
