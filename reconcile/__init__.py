"""The reconciler: cases, plans, gates, operations, closure and undo.

It speaks of systems only through `connectors.contract` and its faults. `case`, `plan`, `gates`
and `closure` are pure; `store` holds the SQL, `engine` the durable jobs, `evidence` the sealed
room that an auditor can read alone.
"""
