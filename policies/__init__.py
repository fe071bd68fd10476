"""The policy language: model, loading, conditions and selection. No database, network or clock.

The role policies that are shipped lie in `roles/`; they are examples that the tests execute.
"""
