"""What travels and what is kept: log entries, peer and client messages, their codecs and frames. Pure.

Imports ``events``, ``kernel``, ``errors`` and msgpack; never asyncio, sockets or clocks.
"""
