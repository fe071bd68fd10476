"""A small LDAPv3 directory server that refuses what OpenLDAP (or 389-ds) refuses.

Read in this order: `server` (sockets and threads), `session` (one connection), `operations` (what
each request does), `tree` (the entries), and the small rooms below them: `ber`, `protocol`,
`names`, `schema`, `matching`, `filters`, `access`, `passwords`, `faults`, `witness`. Real slapd
and this server run the same table of operations in `tests/contract/test_sandbox_directory.py`.
"""
