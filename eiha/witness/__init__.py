"""The arbiter, ``python -m eiha.witness``: the third vote where there is no database. Composition root of that process.

Puts together ``ha.arbiter`` (decides), ``storage.witness_file`` (keeps) and ``net.arbiter_server`` (listens); reads
its configuration with the declarations and the reader of ``node``. Nothing imports this package.
"""
