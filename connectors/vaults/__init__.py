"""Vaults: where backups lie, encrypted, until retention ends.

``contract`` is what the floors above know; ``folder`` is the vault of one append-only directory;
``age`` encrypts in a child process. No room here holds a key that opens what it stores.
"""
