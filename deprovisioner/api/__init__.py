"""The HTTP API: what HR systems, the command line, the console and auditors speak to.

``app.make_app`` builds it from a :class:`deprovisioner.wiring.House`; ``deprovisioner.daemon``
serves it on a Unix socket and on TCP. It translates and authorises; every decision is the desk's.
docs/api.md is the page for people, ``GET /openapi.json`` the one for programs.
"""
