"""Our own tables and the one way to reach them: truth lives here, durable jobs only move the work.

`metadata` carries every table, `database` opens SQLite or PostgreSQL, `migrate` brings the tables
to the version of the code. SQL of the core is written against these and nothing else.
"""
