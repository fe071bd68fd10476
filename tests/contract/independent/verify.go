// Verify checks an unpacked evidence bundle with Go's own checksum-database packages
// (golang.org/x/mod/sumdb), which know nothing of us: package note opens the checkpoint, package
// tlog checks every inclusion proof. The commitments of the records are recomputed here from the
// description in docs/evidence.md. Run by tests/contract/test_independent_verifiers.py:
//
//	go run verify.go VKEY FOLDER
//
// It prints the number of verified records, or fails.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const domain = "deprov-evidence/v1\x00"

type record struct {
	Control      json.RawMessage `json:"control"`
	ControlSalt  string          `json:"control_salt"`
	Person       json.RawMessage `json:"person"`
	PersonCommit string          `json:"person_commit"`
	PersonSalt   *string         `json:"person_salt"`
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func hexBytes(text string) []byte {
	data, err := hex.DecodeString(text)
	must(err)
	return data
}

func digest(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func entry(raw []byte) []byte {
	var r record
	must(json.Unmarshal(raw, &r))
	personCommit := hexBytes(r.PersonCommit)
	if r.PersonSalt != nil {
		computed := digest([]byte(domain+"person\x00"), hexBytes(*r.PersonSalt), r.Person)
		if !bytes.Equal(computed, personCommit) {
			log.Fatal("the person part is not the one that was committed to")
		}
	}
	controlCommit := digest([]byte(domain+"control\x00"), hexBytes(r.ControlSalt), r.Control)
	return digest([]byte(domain+"leaf\x00"), controlCommit, personCommit)
}

func proof(raw []byte) (int64, tlog.RecordProof) {
	head := strings.SplitN(string(raw), "\n\n", 2)[0]
	lines := strings.Split(head, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		must(err)
		path = append(path, hash)
	}
	return index, path
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	must(err)
	raw, err := os.ReadFile(filepath.Join(os.Args[2], "checkpoint"))
	must(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	rootBytes, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var root tlog.Hash
	copy(root[:], rootBytes)

	records, err := filepath.Glob(filepath.Join(os.Args[2], "records", "*.json"))
	must(err)
	for _, name := range records {
		file, err := os.ReadFile(name)
		must(err)
		stem := strings.TrimSuffix(filepath.Base(name), ".json")
		proofFile, err := os.ReadFile(filepath.Join(os.Args[2], "proofs", stem+".tlog-proof"))
		must(err)
		index, path := proof(proofFile)
		must(tlog.CheckRecord(path, size, root, index, tlog.RecordHash(entry(file))))
	}
	fmt.Println(len(records))
}
