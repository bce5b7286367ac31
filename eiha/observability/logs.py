"""Structured logs: JSON lines, or text for people; stable event ids; node, epoch and sequence in each line.

A line is made with ``EventLog.write(level, event, message, **facts)``. ``event`` is what tools match on and never
changes its meaning; the message is for people. Library logs (SQLAlchemy, uvicorn) come out in the same form.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LOGGER_NAME: Final = "eiha"

_COLOURS: Final = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m"}
_RESET: Final = "\x1b[0m"


@dataclass(slots=True)
class LogContext:
    """What stands in every line. Kept up to date by the node."""

    node: str
    epoch: int = 0
    sequence: int = 0


class EventLog:
    """Writes lines with an event id and facts."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger if logger is not None else logging.getLogger(LOGGER_NAME)

    def write(self, level: str, event: str, message: str, **facts: object) -> None:
        """One line. ``level``: a key of ``LEVELS``."""
        number = LEVELS[level]
        if self._logger.isEnabledFor(number):
            self._logger.log(number, "%s", message, extra={"eiha_event": event, "eiha_facts": facts})

    def info(self, event: str, message: str, **facts: object) -> None:
        """Something an operator may look for."""
        self.write("info", event, message, **facts)

    def warning(self, event: str, message: str, **facts: object) -> None:
        """Something that works less well than it should."""
        self.write("warning", event, message, **facts)

    def error(self, event: str, message: str, **facts: object) -> None:
        """Something an operator must act upon."""
        self.write("error", event, message, **facts)

    def failure(self, event: str, message: str, error: BaseException) -> None:
        """An error nobody expected, with its traceback."""
        self._logger.error("%s", message, exc_info=error, extra={"eiha_event": event, "eiha_facts": {}})


class _Formatter(logging.Formatter):
    def __init__(self, context: LogContext, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._context = context
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": getattr(record, "eiha_event", record.name),
            "node": self._context.node,
            "epoch": self._context.epoch,
            "sequence": self._context.sequence,
            "message": record.getMessage(),
        }
        facts.update(getattr(record, "eiha_facts", {}))
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return self._render(facts)


def _render_json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, default=str, ensure_ascii=False)


def _pretty_renderer(coloured: bool) -> Callable[[dict[str, Any]], str]:
    def render(facts: dict[str, Any]) -> str:
        rest = dict(facts)
        level = rest.pop("level")
        head = f"{rest.pop('time')} {level:<7}"
        if coloured:
            head = f"{_COLOURS.get(level, '')}{head}{_RESET}"
        where = f"{rest.pop('node')} e{rest.pop('epoch')} s{rest.pop('sequence')}"
        traceback = rest.pop("traceback", "")
        line = f"{head} [{where}] {rest.pop('event')}: {rest.pop('message')}"
        line += "".join(f" {name}={value}" for name, value in rest.items())
        return f"{line}\n{traceback}" if traceback else line

    return render


def configure_logs(context: LogContext, *, level: str, form: str, stream: TextIO | None = None) -> EventLog:
    """Send all log lines of the process to ``stream`` (standard error) in the form asked for.

    Args:
        context: what stands in every line.
        level: least level written, a key of ``LEVELS``.
        form: ``json``, ``pretty`` or ``auto`` (pretty on a terminal).
        stream: where to write.
    """
    target = stream if stream is not None else sys.stderr
    terminal = target.isatty()
    renderer = _render_json if form == "json" or (form == "auto" and not terminal) else _pretty_renderer(terminal)
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Formatter(context, renderer))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(LEVELS[level])
    return EventLog(logger)
