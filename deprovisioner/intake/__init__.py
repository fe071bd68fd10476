"""From bytes that somebody posted to a canonical termination event, or a reason why not.

Called by ``deprovisioner.api`` and by the commands that post events. Nothing here stores, decides
or calls: :class:`reconcile.desk.Desk` takes the event. docs/decisions/0007-intake.md has the why.

``signature``: who sent it. ``document``: is it one plain JSON object. ``canonical``: what it says,
and the same event built here for the command line.
"""
