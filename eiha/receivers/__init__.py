"""How events come in, one transport a file: msgpack over TCP, HTTP.

Imports ``ports``, ``observability``, ``protocol``, ``events``; siblings do not see each other.
"""
