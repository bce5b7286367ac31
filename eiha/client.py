"""The Python client: failover list, batching, acknowledgements, resend."""
