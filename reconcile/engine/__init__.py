"""The durable engine: queue, timers, limits and leases under a loop whose truth is in our rows.

The rest of reconcile sees `port` only. The roof makes a `DurableEngine` (or, where nothing runs,
`DetachedJobs`) and hands its `jobs` and `lease` down. Only this package imports the library.
"""
