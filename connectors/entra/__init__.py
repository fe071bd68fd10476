"""Entra ID and Microsoft 365, through Microsoft Graph.

What a person holds there, which rights are needed for it and what cannot be undone or not be done
at all stands in ``docs/connectors/entra.md``; the shape of the room in
``docs/decisions/0010-entra.md``.
"""
