"""Why a file that a person named could not be read, in words rather than by number."""

from __future__ import annotations


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """What follows ``FILE: cannot be read: ``."""
    match error:
        case UnicodeDecodeError():
            return f"it is not text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x})"
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "it is a directory; name a file"
        case PermissionError():
            return "this user may not read it"
        case _:
            return error.strerror or str(error)
