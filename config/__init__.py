"""Settings types, loading, secret references and the example file. Only the roof imports it.

It builds nothing: ``deprovisioner.wiring`` turns settings into connectors, tables and threads.
"""

from config.load import ConfigError, load
from config.settings import Settings

__all__ = ["ConfigError", "Settings", "load"]
