"""A pretend company of 300 invented people whose systems speak their real protocols on loopback.

Used by the demo, the acceptance tests, the benchmarks and the fire drill. Nothing here is imported
by the daemon when it serves a real company. Start reading at `deprovisioner.sandbox.running`.
"""
