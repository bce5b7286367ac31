"""Register functions, aggregators, stream processors and windows of your own, by decorators.

    from eiha.extensions import scalar_function

    @scalar_function("esb:fee", "amount double, kind string -> double", deterministic=True)
    def fee(amount, kind):
        return amount * (0.02 if kind == "card" else 0.01)

Both nodes of a pair run this code on the same events, from the same log, and must come to the same result: it may
depend on its arguments and its own state only. That is what ``deterministic=True`` declares; without it
nothing is registered.

A package is found by the nodes and the command line if it names a module under the entry point group
``eiha.extensions``.
Imports ``plan`` only; loading packages is ``eiha.node.extension_packages``' act.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from eiha.errors import ExtensionError
from eiha.events.schema import Attribute, AttributeType
from eiha.plan.aggregates import AGGREGATES
from eiha.plan.functions import FUNCTIONS
from eiha.plan.namespaces import tables
from eiha.plan.registry import (
    REGISTRY,
    AggregatorExtension,
    AlreadyRegistered,
    ProcessorExtension,
    ScalarExtension,
    WindowExtension,
)
from eiha.plan.signatures import Signature, declare

__all__ = ["ENTRY_POINT_GROUP", "aggregator", "scalar_function", "stream_processor", "window"]

ENTRY_POINT_GROUP: Final = "eiha.extensions"
"""Entry points of this group name modules whose import registers extensions."""

_Code = TypeVar("_Code", bound=Callable[..., Any])

_ON_ERROR: Final = ("fault", "null")


def scalar_function(
    name: str,
    forms: str | tuple[str, ...],
    *,
    deterministic: bool,
    columnar: bool = False,
    takes_nulls: bool = False,
    on_error: str = "fault",
    summary: str = "",
) -> Callable[[_Code], _Code]:
    """Register a function under ``name``.

    Args:
        name: ``namespace:name``; the namespaces and names that come along are taken.
        forms: arguments and result, e.g. ``"text string, times int? -> string"``; several forms as a tuple. Words
            for types: those of SiddhiQL, ``number``, ``whole``, ``fraction``, ``scalar``, ``any``, parted by ``|``.
        deterministic: must be True: the result depends on the arguments only.
        columnar: the function takes one NumPy array for each argument (masked where there are nulls) and gives one,
            instead of single values. It is called once a batch.
        takes_nulls: row by row, it is called with None where an argument is null; otherwise the result is null there.
        on_error: ``"fault"``: what it raises drops the event, as a failure of Siddhi's does, and plans that call it are
            fed one chunk at a time; ``"null"``: the result is null instead, and batches stay whole.
        summary: a sentence for the function reference.

    Raises:
        ExtensionError: by the decorator.
    """
    if on_error not in _ON_ERROR:
        raise ExtensionError(f"{name}: on_error is one of {', '.join(_ON_ERROR)}, not {on_error!r}")
    signature = _signature(name, forms, summary, deterministic, "function")

    def register(function: _Code) -> _Code:
        _add(ScalarExtension(signature, function, columnar, takes_nulls, on_error == "fault"))
        return function

    return register


def aggregator(
    name: str, forms: str | tuple[str, ...], *, deterministic: bool, summary: str = ""
) -> Callable[[_Code], _Code]:
    """Register an aggregator: a class whose objects keep what one group needs.

    The class has ``add(*values)`` for a row that comes, ``remove(*values)`` for one that leaves a window, ``value()``
    for the result (None: null), ``snapshot()`` that gives plain values (numbers, text, lists, maps) and
    ``restore(state)``. Nulls are passed on as None. A batch window's turn makes a fresh object.

    Raises:
        ExtensionError: by the decorator, also if a method is missing.
    """
    signature = _signature(name, forms, summary, deterministic, "aggregator")

    def register(code: _Code) -> _Code:
        _must_have(name, code, ("add", "remove", "value", "snapshot", "restore"))
        _add(AggregatorExtension(signature, code))
        return code

    return register


def stream_processor(
    name: str, parameters: str, *, adds: str, deterministic: bool, summary: str = ""
) -> Callable[[_Code], _Code]:
    """Register a stream processor, written ``#namespace:name(...)`` behind a stream.

    Args:
        name: ``namespace:name``.
        parameters: its arguments, as in ``scalar_function`` but without a result.
        adds: the attributes that it adds, e.g. ``"word string, place int"``.
        deterministic: must be True.
        summary: a sentence for the function reference.

    The function is called for each row with the values of the arguments (None for null) and gives any number of tuples
    of the added values: so many rows go on.

    Raises:
        ExtensionError: by the decorator.
    """
    signature = _signature(name, f"{parameters} -> object", summary, deterministic, "stream processor")
    try:
        added = tuple(Attribute(*_attribute(each)) for each in adds.split(",") if each.strip())
    except ValueError as cause:
        raise ExtensionError(f"{name}: adds is written 'name type, ...', not {adds!r}") from cause

    def register(function: _Code) -> _Code:
        _add(ProcessorExtension(signature, added, function))
        return function

    return register


def window(name: str, parameters: str, *, deterministic: bool, summary: str = "") -> Callable[[_Code], _Code]:
    """Register a window, written ``#window.namespace:name(...)``: a class made with the arguments, all constants.

    The class has ``receive(row, now_ms)`` for a row that comes (a tuple of the stream's values) and ``fire(now_ms)``
    for when the time that ``timer_ms()`` gave (None: none) has come. Both give ``(row, is_expired)`` in the order in
    which rows are put out. ``snapshot()`` gives plain values, ``restore(state)`` takes them.

    Raises:
        ExtensionError: by the decorator, also if a method is missing.
    """
    signature = _signature(name, f"{parameters} -> object", summary, deterministic, "window")

    def register(code: _Code) -> _Code:
        _must_have(name, code, ("receive", "fire", "timer_ms", "snapshot", "restore"))
        _add(WindowExtension(signature, code))
        return code

    return register


def _signature(name: str, forms: str | tuple[str, ...], summary: str, deterministic: bool, what: str) -> Signature:
    namespace, colon, local = name.partition(":")
    if not (colon and namespace.isidentifier() and local.isidentifier()):
        raise ExtensionError(f"{name!r} is no name for a {what}: it is written namespace:name")
    if name in FUNCTIONS or name in AGGREGATES or name in tables.AGGREGATORS or name in tables.PROCESSORS:
        raise ExtensionError(f"{name!r} comes along already; choose another namespace")
    if deterministic is not True:
        raise ExtensionError(
            f"{name!r} is not declared deterministic=True. Both nodes of a pair apply the same log: if the {what} gave "
            "different results on them, their states would drift apart. Let it depend on its arguments only; time is "
            "currentTimeMillis(), randomness math:rand()"
        )
    try:
        return declare(name, forms, summary)
    except (AssertionError, KeyError, ValueError) as cause:
        raise ExtensionError(
            f"{name}: {forms!r} does not read: it is written 'name type, name type? -> type', types parted by |"
        ) from cause


def _attribute(text: str) -> tuple[str, AttributeType]:
    attribute, type_text = text.split()
    return attribute, AttributeType(type_text)


def _must_have(name: str, code: Any, methods: tuple[str, ...]) -> None:
    missing = [method for method in methods if not callable(getattr(code, method, None))]
    if missing:
        raise ExtensionError(f"{name}: {code!r} has no {', '.join(missing)}; it needs {', '.join(methods)}")


def _add(extension: ScalarExtension | AggregatorExtension | ProcessorExtension | WindowExtension) -> None:
    try:
        REGISTRY.add(extension)
    except AlreadyRegistered as cause:
        raise ExtensionError(str(cause)) from cause
