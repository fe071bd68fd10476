"""The pretend company's doors: stateful fakes of door platforms, with panels, lag and late events.

Each product has a module with the platform behind HTTP on loopback; ``serving`` listens, breaks on
request and keeps a log of its own; ``panels`` is what lies behind a platform: controllers that take
changes over later, or not at all; ``populace`` says who of the company has which doors.
"""
