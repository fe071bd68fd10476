"""Entra ID and Microsoft 365, through Microsoft Graph.

What a person holds there, which rights are needed for it and what cannot be undone or not be done
at all stands in ``docs/connectors/entra.md``; the shape of the room in
``docs/decisions/0010-entra.md``.
"""

try:
    from connectors.entra.connector import EntraConnector, open_connector
    from connectors.entra.settings import App, CanaryUser, Feature, Settings
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"azure", "kiota_abstractions", "msgraph"}:
        raise
    message = "the Entra connector needs its client: pip install 'deprovisioner[entra]'"
    raise ImportError(message) from error

__all__ = ["App", "CanaryUser", "EntraConnector", "Feature", "Settings", "open_connector"]
