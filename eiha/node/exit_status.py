"""With which status the process ends (sysexits.h), by what ended it."""

from __future__ import annotations

from typing import Final

from eiha.errors import (
    AddressUnavailable,
    ConfigurationError,
    DirectoryInUse,
    EihaError,
    ExtensionError,
    PlanError,
    StoreUnavailable,
)

OK: Final = 0
FAILED: Final = 1
UNAVAILABLE: Final = 69
STUCK: Final = 70
"""The event loop or the engine did not move any more; a new process goes on from the disk."""
TEMPORARY: Final = 75
CONFIGURATION: Final = 78


def exit_status_of(error: EihaError) -> int:
    """78: change the file; 69: something needed is taken or away; 75: try again; 1: look at the message."""
    match error:
        case ConfigurationError() | PlanError() | ExtensionError():
            return CONFIGURATION
        case AddressUnavailable() | DirectoryInUse():
            return UNAVAILABLE
        case StoreUnavailable():
            return TEMPORARY
        case _:
            return FAILED
