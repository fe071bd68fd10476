"""The ground floor: what a connector is, and one room per outside system.

A room translates between a system and the nouns of `connectors.contract`. Rooms never import each
other, never retry, sleep or decide; the engine above does.
"""
