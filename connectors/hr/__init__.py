"""HR sources: the systems that know who is employed, and are asked again before every cut.

``contract`` is what the floors above know; ``rest`` pulls over HTTP from a source that serves the
canonical JSON.
"""
