"""Asks the witness, one request at a time, and answers each, come what may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, assert_never

from eiha.ha.effects import CompareAndSet, ReadWitness
from eiha.ha.inputs import WitnessCasDone, WitnessReadDone
from eiha.ha.witness_row import CasOutcome, ReadOutcome, Unknown
from eiha.observability.logs import EventLog
from eiha.ports import Witness

_Outcome = TypeVar("_Outcome", ReadOutcome, CasOutcome)


class WitnessWorker:
    """Serial access to one witness.

    Args:
        witness: never used by two requests at once.
        timeout_s: after it, the outcome is ``Unknown``.
        answer: called on the event loop.
        log: a witness that is away, and back, is worth a line each.
    """

    def __init__(
        self,
        witness: Witness,
        *,
        timeout_s: float,
        answer: Callable[[WitnessReadDone | WitnessCasDone], None],
        log: EventLog,
    ) -> None:
        self._witness = witness
        self._timeout_s = timeout_s
        self._answer = answer
        self._log = log
        self._queue: asyncio.Queue[ReadWitness | CompareAndSet] = asyncio.Queue()
        self.reachable = True
        self.cause = ""

    def put(self, request: ReadWitness | CompareAndSet) -> None:
        """Queue a request. The member has few at a time."""
        self._queue.put_nowait(request)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            request = await self._queue.get()
            match request:
                case ReadWitness(number):
                    self._answer(WitnessReadDone(number, self._note(await self._read())))
                case CompareAndSet(number):
                    self._answer(WitnessCasDone(number, self._note(await self._compare_and_set(request))))
                case _:
                    assert_never(request)

    async def close(self) -> None:
        """Give the witness's connection back."""
        await self._witness.close()

    async def _read(self) -> ReadOutcome:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._witness.read()
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_s:g} s")

    async def _compare_and_set(self, request: CompareAndSet) -> CasOutcome:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._witness.compare_and_set(request.expected_version, request.row)
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_s:g} s")

    def _note(self, outcome: _Outcome) -> _Outcome:
        reachable = not isinstance(outcome, Unknown)
        if isinstance(outcome, Unknown):
            self.cause = outcome.cause
        if reachable != self.reachable:
            self.reachable = reachable
            if reachable:
                self._log.info("witness_reachable", "the witness answers again")
            else:
                self._log.warning(
                    "witness_unreachable",
                    f"the witness does not answer: {self.cause}. The pair goes on, but membership cannot change: "
                    "check [witness], and its datasource or arbiter",
                )
        return outcome
