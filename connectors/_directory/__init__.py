"""What connectors that speak LDAP share: sessions, complete reads, one table of result codes.

``connectors.ldap`` and ``connectors.active_directory`` use it. It knows the protocol of RFC 4511
and ldap3's traps, and nothing of what an attribute means for a leaver. The only place where ldap3
is imported.
"""
