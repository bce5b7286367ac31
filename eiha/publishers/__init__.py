"""How outputs leave to other systems, one transport a file.

Imports ``ports``, ``observability``, ``protocol``, ``events``; siblings do not see each other.
"""
