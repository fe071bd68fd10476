"""A pretend Active Directory: one domain on one controller that refuses what a real one refuses.

Start reading at ``session``. It speaks LDAPv3 through the sandbox's own directory server; objects,
links, passwords and account rules are its own. Compared with a real Samba controller in
``tests/contract/test_sandbox_active_directory.py``.
"""
