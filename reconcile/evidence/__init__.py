"""The sealed room: evidence that a stranger can check without trusting us.

The room imports itself, the standard library and ``cryptography``, nothing else, so that an
auditor reads all of it in an hour. It knows no database, no case, no policy and no clock: words
such as ``case.closed`` are data that its callers (``reconcile.store``) bring.

Reading order:

========== =============================================================================
errors     the only two ways a check can fail, and the one way a value can be unfit
encoding   strict base64, hex, decimals; the one canonical JSON form
tree       RFC 6962 hashes, inclusion and consistency proofs (checking)
tiles      the tree as 256-wide tiles: appending, and making proofs
keys       Ed25519 signing and verifier keys in the C2SP text forms
note       C2SP signed notes
checkpoint C2SP checkpoints (a signed tree size and root)
proof      C2SP tlog-proofs (one entry, its path, the checkpoint)
record     one fact as two salted commitments and a 32-byte log entry
chain      the records of one case, in order, with a counted end
bundle     a case packed into one deterministic zip
verify     the numbered obligations of a bundle, checked
audit      a whole published log, hashed again from its files
standalone the same check as ``verify`` in one standard-library file; goes into each bundle
========== =============================================================================
"""
