"""asyncio shells of the two peer channels: framed connections, handshake, eventSync, management, discovery.

Imports ``ports``, ``observability``, ``ha`` types, ``protocol``; siblings do not see each other.
"""
