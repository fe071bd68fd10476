"""Settings: their types, how they are loaded, and references to secrets.

Only the roof (`deprovisioner`) imports this package: the floors below are given values, not
settings files.
"""
