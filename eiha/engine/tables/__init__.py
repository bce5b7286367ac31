"""In-memory tables: rows as columns, primary keys and indexes, and what queries and questions do to them.

``PlanRuntime`` knows them by the protocol ``TableAction`` alone; joins and ``in`` ask by ``compile_table_condition``.
Imported by ``lower``, ``joins`` and ``on_demand``; imports expressions, kernels and the plan's nodes.
"""
