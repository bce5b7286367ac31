"""Files and databases: log segments, snapshot files, witness, event store, processed-data store.

Imports ``ports``, ``observability``, ``protocol``, ``events``; siblings do not see each other.
"""
