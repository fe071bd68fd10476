"""The roof: daemon, intake, HTTP API, command line, reports and the pretend company.

It wires the lower floors together and is imported by nobody. The console script enters through
`deprovisioner.house`, which looks at who answers to our package names before anything else of
ours is imported.
"""
