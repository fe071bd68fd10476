"""The policy language: model, loading, conditions and selection. No database, network or clock.

The role policies that are shipped lie in `roles/`; they are examples that the tests execute.
"""

import sys
from types import ModuleType

# The package "cel" imports its own terminal program, with prompt_toolkit and pygments: 9 MB and a
# slower start for what no process of ours shows. Before it is imported, an empty module stands in.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
