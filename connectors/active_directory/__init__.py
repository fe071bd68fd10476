"""Microsoft Active Directory and Samba domains."""

from connectors.active_directory.settings import CanaryObject, Login, Settings

__all__ = ["CanaryObject", "Login", "Settings"]
