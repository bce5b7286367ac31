"""eiha: a Python-native, highly available event processor."""

__version__ = "0.1.0"
