"""How connections come to be, on every port: who may connect how often, TLS with whom, certificates and their renewal.

asyncio, sockets and ``ssl``; nothing of what is said on a connection. Imports only ``errors``; the shells above
(``receivers``, ``net``, ``client``, ``storage``, ``node``) import it.
"""
