"""Real servers for tests: OpenLDAP, 389 Directory Server and PostgreSQL on loopback.

Each module holds one server as a class that starts, stops and resets it; ``fixtures`` makes pytest
fixtures of them. A test module asks for them with
``pytest_plugins = ("tests.support.peers.fixtures",)``. Nothing here imitates a server.
"""
