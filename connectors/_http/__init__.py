"""What rooms that speak HTTP share: what headers say, bounded bodies, trust, and failed transport.

``hr``, ``scim``, ``doors``, ``entra``, ``gitlab`` and ``aws`` use it. It knows the protocol of RFC
9110 and httpx's traps, and nothing of what a status means: to judge an answer is each room's own
translation of its vendor. ``room`` is the word in front of a fault's text and code.
"""
