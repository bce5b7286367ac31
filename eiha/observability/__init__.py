"""Metrics, structured logs, status: read facts, never steer.

Imports ``ports`` and below; never a shell.
"""
