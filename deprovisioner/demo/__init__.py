"""The demo: one termination in the pretend company, from a signed event to a verified bundle.

``running.run`` is what `deprovisioner demo` and the acceptance tests call. The daemon is a process
of its own with an ordinary configuration; the demo is its HR system, its directory, its operators
and, at the end, its auditor. Nothing here reaches into the daemon.
"""
