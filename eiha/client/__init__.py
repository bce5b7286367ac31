"""The Python client: failover list, batching, acknowledgements, resend; asynchronous and plain.

Imports ``protocol``, ``events``, ``errors``; knows nothing of a node's insides.
"""

from eiha.client.arrays import Coded
from eiha.client.async_client import Client
from eiha.client.options import ClientOptions
from eiha.client.sync_client import SyncClient

__all__ = ["Client", "ClientOptions", "Coded", "SyncClient"]
