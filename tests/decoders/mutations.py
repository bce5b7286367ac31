"""From valid input to nearly valid input: of bytes, of msgpack trees, and of text. All from one ``random.Random``."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

import msgpack

EDGE_NUMBERS = (0, 1, -1, 255, 256, 65_535, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 62, (1 << 63) - 1, 1 << 63)
EDGE_VALUES: tuple[Any, ...] = (
    *EDGE_NUMBERS,
    None,
    True,
    "",
    "x" * 300,
    "\x00",
    "é\U0001f600",
    b"",
    b"\x00" * 40,
    b"\xff" * 7,
    0.0,
    float("nan"),
    float("inf"),
    -0.0,
    [],
    {},
    {"a": 1},
    msgpack.ExtType(1, b"\x00"),
    msgpack.ExtType(2, b"\x91\x01"),
    msgpack.Timestamp(1),
)
LARGEST = 1 << 16
"""Bytes to which mutated input may grow."""


def mutate_bytes(chance: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat, insert, lie about a length, a few times."""
    piece = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(piece) + 1)
        end = min(len(piece), at + chance.choice((1, 2, 4, 8, 64)))
        match chance.randrange(7):
            case 0 if piece:
                at = min(at, len(piece) - 1)
                piece[at] ^= 1 << chance.randrange(8)
            case 1:
                del piece[at:]
            case 2:
                del piece[at:end]
            case 3:
                piece[at:at] = piece[at:end] * chance.choice((1, 2, 100))
            case 4:
                piece[at:at] = chance.randbytes(end - at)
            case 5:
                width = chance.choice((1, 2, 4, 8))
                number = chance.choice(EDGE_NUMBERS) & ((1 << 8 * width) - 1)
                piece[at : at + width] = number.to_bytes(width, chance.choice(("little", "big")))
            case _:
                piece[at:at] = b"\x91" * chance.choice((1, 40, 2_000))
    return bytes(piece[:LARGEST])


def mutate_tree(chance: random.Random, value: Any, depth: int = 0) -> Any:
    """Another tree: one part replaced, repeated, dropped, swapped, or wrapped deep."""
    if isinstance(value, list) and value and (depth == 0 or chance.random() < 0.75):
        at = chance.randrange(len(value))
        changed = list(value)
        match chance.randrange(6):
            case 0:
                del changed[at]
            case 1:
                changed[at:at] = [value[at]] * chance.choice((1, 2, 300))
            case 2:
                other = chance.randrange(len(value))
                changed[at], changed[other] = changed[other], changed[at]
            case _:
                changed[at] = mutate_tree(chance, value[at], depth + 1)
        return changed
    if isinstance(value, dict) and value and chance.random() < 0.75:
        name = chance.choice(list(value))
        changed_map = dict(value)
        if chance.random() < 0.3:
            del changed_map[name]
        else:
            changed_map[name] = mutate_tree(chance, value[name], depth + 1)
        return changed_map
    match chance.randrange(4):
        case 0:
            for _ in range(chance.choice((1, 10, 400))):
                value = [value]
            return value
        case 1 if isinstance(value, bytes):
            return mutate_bytes(chance, value)
        case 2 if isinstance(value, int) and not isinstance(value, bool):
            return value + chance.choice((-1, 1, 1 << 20))
        case _:
            return chance.choice(EDGE_VALUES)


def mutate_packed(chance: random.Random, packed: bytes, *, unpack_options: dict[str, Any] | None = None) -> bytes:
    """msgpack whose tree is another, or whose bytes are."""
    if chance.random() < 0.3:
        return mutate_bytes(chance, packed)
    tree = msgpack.unpackb(packed, raw=False, strict_map_key=False, **(unpack_options or {}))
    for _ in range(chance.choice((1, 1, 2, 3))):
        tree = mutate_tree(chance, tree)
    try:
        return bytes(msgpack.packb(tree, use_bin_type=True))[:LARGEST]
    except (OverflowError, ValueError):  # a number or a depth that msgpack itself does not write
        return mutate_bytes(chance, packed)


_WORDS = re.compile(r"\s+|\w+|'[^']*'|\"[^\"]*\"|[^\w\s]")


def mutate_text(chance: random.Random, text: str, words: Sequence[str] = ()) -> str:
    """Words dropped, repeated, swapped, put in from elsewhere, nested; now and then any character."""
    parts = _WORDS.findall(text)
    for _ in range(chance.choice((1, 1, 2, 5))):
        if not parts:
            break
        at = chance.randrange(len(parts))
        end = min(len(parts), at + chance.choice((1, 1, 3, 10)))
        match chance.randrange(8):
            case 0:
                del parts[at:end]
            case 1:
                parts[at:at] = parts[at:end] * chance.choice((1, 2, 50))
            case 2:
                other = chance.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] = chance.choice((*words, *_OPENERS)) if words else chance.choice(_OPENERS)
            case 4:
                opener, closer = chance.choice((("(", ")"), ("[", "]"), ("{", "}"), ("not (", ")"), ("-", "")))
                count = chance.choice((1, 20, 500, 3_000))
                parts[at:at] = [opener * count]
                parts[end + 1 : end + 1] = [closer * count]
            case 5:
                parts[at] = str(chance.choice(EDGE_NUMBERS)) * chance.choice((1, 1, 40))
            case 6:
                parts[at] = chance.choice(
                    ("\x00", "é", "\u2028", "\U0001f600", "'", '"', "/*", "--", "\\", "\ud7ff", "#")
                )
            case _:
                del parts[at:]
    return "".join(parts)[:LARGEST]


_CHARACTERS = ("\x00", "é", "\u2028", "\U0001f600", "'", '"', "/*", "--", "\\", "\ud7ff", "#")
_OPENERS = ("(", ")", ";", ",", "[", "]", "=", "==", "->", "*", ".", ":", "@", "'", '"', "1e999", "0x", "${env:X}")
