"""Door access: four products behind one inner contract (``docs/connectors/doors.md``).

``hikvision`` (iSecure Center), ``gallagher`` (Command Centre), ``unifi_access`` and ``zkteco``
(ZKBio CVSecurity) are the rooms that ``type:`` names. ``connector`` turns their verbs into the
contract of the daemon, ``folding`` decides what counts as closed: platform *and* every panel.
"""
