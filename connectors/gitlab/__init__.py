"""GitLab: an instance that we administer, or a top-level group of gitlab.com that we own.

What a person holds there, which rights are needed for it and what cannot be undone or not be done
at all stands in ``docs/connectors/gitlab.md``; the shape of the room in
``docs/decisions/0013-gitlab.md``.
"""

from connectors.gitlab.connector import GitLabConnector, open_connector
from connectors.gitlab.settings import CanaryUser, Feature, Mode, Settings

__all__ = ["CanaryUser", "Feature", "GitLabConnector", "Mode", "Settings", "open_connector"]
