"""Kernels: loops over arrays, written once as plain Python functions, compiled by Numba or run as they are.

``@kernel`` marks the loop. Its annotations are its signature (``ReadInt64``, ``WriteFloat64``, ``int``, ``float``,
``bool``), so Numba compiles for exactly these types and never at run time: ``warm()`` loads every kernel from Numba's
on-disk cache beside the module (or compiles it there, once per installation), before a node joins. Where the cache is
known to be whole, ``load_next`` may do it piece by piece later; what is called before is loaded with its first call.
``@inlined`` marks a function that kernels call; the cache notices when it changes, wherever it stands.

Kernels and ``@inlined`` functions must keep to what both worlds do alike: scalars, one-dimensional contiguous arrays,
loops; no division by a zero, no integer overflow. Numba itself is imported by ``warm()`` only.

Whether kernels are compiled is decided once, by the entry point: ``choose(os.environ.get("EIHA_JIT"))``. The core reads
no environment. Without a choice they are compiled.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from eiha.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """A kernel's array argument: contiguous, one-dimensional; ``read_only`` ones also take read-only arrays.

    ``element`` is the name of a NumPy scalar type, or ``NUMBER``: then the kernel has one version for each of
    ``NUMBER_TYPES``, in which all such arguments have the same element type.
    """

    element: str
    read_only: bool


NUMBER: Final = "number"
NUMBER_TYPES: Final = ("int32", "int64", "float32", "float64")

ReadInt32 = Annotated[npt.NDArray[np.int32], ArrayOf("int32", True)]
ReadInt64 = Annotated[npt.NDArray[np.int64], ArrayOf("int64", True)]
ReadFloat32 = Annotated[npt.NDArray[np.float32], ArrayOf("float32", True)]
ReadFloat64 = Annotated[npt.NDArray[np.float64], ArrayOf("float64", True)]
ReadUInt8 = Annotated[npt.NDArray[np.uint8], ArrayOf("uint8", True)]
ReadBool = Annotated[npt.NDArray[np.bool_], ArrayOf("bool", True)]
ReadNumber = Annotated[npt.NDArray[Any], ArrayOf(NUMBER, True)]
WriteInt32 = Annotated[npt.NDArray[np.int32], ArrayOf("int32", False)]
WriteInt64 = Annotated[npt.NDArray[np.int64], ArrayOf("int64", False)]
WriteFloat32 = Annotated[npt.NDArray[np.float32], ArrayOf("float32", False)]
WriteFloat64 = Annotated[npt.NDArray[np.float64], ArrayOf("float64", False)]
WriteUInt8 = Annotated[npt.NDArray[np.uint8], ArrayOf("uint8", False)]
WriteBool = Annotated[npt.NDArray[np.bool_], ArrayOf("bool", False)]
WriteNumber = Annotated[npt.NDArray[Any], ArrayOf(NUMBER, False)]

_SCALARS: Final[dict[Any, str]] = {int: "int64", float: "float64", bool: "bool"}


class Kernel(Generic[P, R]):
    """A loop over arrays, callable in either mode; made by ``@kernel``.

    ``plain`` is the function as written, ``name`` its name.
    """

    __slots__ = ("_arguments", "_compiled", "_run", "name", "plain")

    def __init__(self, plain: Callable[P, R]) -> None:
        self.plain = plain
        self.name = plain.__qualname__
        self._arguments = _argument_kinds(plain)
        self._compiled: Callable[P, R] | None = None
        self._run: Callable[P, R] = self._choose_and_run
        _KERNELS.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        """Run it on ``arguments``, given by position."""
        return self._run(*arguments, **named)

    def compiled(self) -> Callable[P, R]:
        """The machine code, from the on-disk cache if it is there."""
        if self._compiled is None:
            import numba

            _register_inlined(numba)
            # kernels allocate nothing: without counts of references, which are atomic, calls within them cost nothing
            options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
            made: Any = numba.njit(**options)(self.plain)
            # Numba itself sees changes of the kernel's own file only
            made._cache._cache_file._source_stamp = (made._cache._cache_file._source_stamp, self.content)
            for number in NUMBER_TYPES if self._is_generic() else ("",):
                made.compile(tuple(_numba_type(numba, argument, number) for argument in self._arguments))
            made.disable_compile()
            self._compiled = made
        assert self._compiled is not None
        return self._compiled

    @property
    def content(self) -> tuple[object, ...]:
        """What its machine code is made from: equal content, equal code, wherever the parts of it stand."""
        return _content(self.plain)

    def bind(self) -> None:
        """Fix which form a call runs, compiled or plain, by the mode in force."""
        self._run = self.compiled() if _mode.compiled else self.plain

    @property
    def is_bound(self) -> bool:
        """Whether a call runs without a look at the mode, and without loading anything."""
        return self._run != self._choose_and_run

    @property
    def cache_directory(self) -> str:
        """Where the machine code lies on disk; empty before it was loaded."""
        return str(self._compiled.stats.cache_path) if self._compiled is not None else ""  # type: ignore[attr-defined]

    def unbind(self) -> None:
        """Let the next call see the mode anew."""
        self._run = self._choose_and_run

    def _choose_and_run(self, *arguments: P.args, **named: P.kwargs) -> R:
        self.bind()
        return self._run(*arguments, **named)

    def _is_generic(self) -> bool:
        return any(isinstance(argument, ArrayOf) and argument.element == NUMBER for argument in self._arguments)


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Make ``function`` a kernel; every parameter must be annotated with one of the types named above."""
    return Kernel(function)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Let kernels call ``function``, compiled into them; plain Python elsewhere."""
    _INLINED.append(function)
    return function


def compiled_as(make: Callable[[Any, Callable[P, R]], bool]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As ``inlined``, but what is compiled into kernels is something of its own, which does the same.

    ``make`` gets Numba and the function, and tells Numba what to take for it; False: the function is taken as it is.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        _MAKERS[function] = make
        return inlined(function)

    return mark


def choose(setting: str | None) -> None:
    """Set the mode from the value of ``EIHA_JIT``: None, empty or ``1`` compiles, ``0`` interprets.

    Raises:
        ConfigurationError: ``setting`` is something else.
    """
    if setting not in (None, "", "0", "1"):
        raise ConfigurationError(f"EIHA_JIT must be 0 (kernels run interpreted) or 1 (compiled), not {setting!r}")
    _set_mode(compiled=setting != "0")


def is_compiled() -> bool:
    """Whether kernels run compiled."""
    return _mode.compiled


def warm() -> int:
    """Load (or compile and cache) every kernel of the modules imported so far; their number. No-op if interpreted."""
    if not _mode.compiled:
        return 0
    for each in _KERNELS:
        each.bind()
    return len(_KERNELS)


def load_next() -> bool:
    """Load the machine code of one kernel that has not been called yet; False when there is none left.

    For a thread that has nothing better to do: a kernel that is called before its turn is loaded then.
    """
    if not _mode.compiled:
        return False
    while _mode.bound < len(_KERNELS):
        each = _KERNELS[_mode.bound]
        _mode.bound += 1
        if not each.is_bound:
            each.bind()
            return True
    return False


def cache_directories() -> tuple[str, ...]:
    """Where the machine code of the kernels loaded so far lies, each directory once, in order."""
    return tuple(sorted({each.cache_directory for each in _KERNELS if each.cache_directory}))


@contextmanager
def interpreted() -> Iterator[None]:
    """Within it, kernels run as plain Python."""
    before = _mode.compiled
    _set_mode(compiled=False)
    try:
        yield
    finally:
        _set_mode(compiled=before)


def kernels() -> tuple[Kernel[Any, Any], ...]:
    """All kernels of the modules imported so far."""
    return tuple(_KERNELS)


class _Mode:
    """The process-wide choice."""

    __slots__ = ("bound", "compiled", "registered")

    def __init__(self) -> None:
        self.compiled = True
        self.registered = 0
        self.bound = 0


_KERNELS: Final[list[Kernel[Any, Any]]] = []
_INLINED: Final[list[Callable[..., Any]]] = []
_MAKERS: Final[dict[Callable[..., Any], Callable[[Any, Any], bool]]] = {}
_mode: Final = _Mode()


def _set_mode(*, compiled: bool) -> None:
    _mode.compiled = compiled
    _mode.bound = 0
    for each in _KERNELS:
        each.unbind()


def _register_inlined(numba: Any) -> None:
    import numba.extending

    while _mode.registered < len(_INLINED):
        function = _INLINED[_mode.registered]
        make = _MAKERS.get(function)
        if make is None or not make(numba, function):
            numba.extending.register_jitable(function)
        _mode.registered += 1


def _content(function: Callable[..., Any]) -> tuple[object, ...]:
    """What machine code of ``function`` is made from: its code, the numbers it names, and all that it inlines."""
    code = function.__code__
    named = [(name, function.__globals__.get(name)) for name in code.co_names]
    constants = tuple((name, value) for name, value in named if isinstance(value, int | float))
    within = tuple(_content(value) for _, value in named if inspect.isfunction(value) and value in _INLINED)
    return (code.co_code, repr(code.co_consts), constants, within)


def _argument_kinds(function: Callable[..., Any]) -> tuple[ArrayOf | str, ...]:
    hints = get_type_hints(function, include_extras=True)
    kinds: list[ArrayOf | str] = []
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        if get_origin(hint) is Annotated and isinstance(get_args(hint)[1], ArrayOf):
            kinds.append(get_args(hint)[1])
        else:
            assert hint in _SCALARS, f"{function.__qualname__}: argument {name} has no kernel type: {hint}"
            kinds.append(_SCALARS[hint])
    return tuple(kinds)


def _numba_type(numba: Any, argument: ArrayOf | str, number: str) -> Any:
    if isinstance(argument, str):
        return numba.from_dtype(np.dtype(argument))
    element = number if argument.element == NUMBER else argument.element
    return numba.types.Array(numba.from_dtype(np.dtype(element)), 1, "C", readonly=argument.read_only)
