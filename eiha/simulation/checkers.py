"""The oracles. They stand apart: they see what leaves a node and what the disks, the witness and the stores hold.

Each is a class with one promise; ``Checkers`` hands them what happens. A broken promise raises ``Violation`` at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from eiha.ha.divergence import MINE
from eiha.ha.effects import KeepDump
from eiha.ha.witness_row import WitnessRow
from eiha.kernel.ids import ClientId, ClientSequence, Epoch, Sequence
from eiha.ports import Engine
from eiha.protocol.log_entry import LogEntry, Publications, Quarantine
from eiha.simulation.disk import SimulatedDisk
from eiha.simulation.poison import DeathsByPoison
from eiha.simulation.sinks import OutputRow, SimulatedStore, rows_of


class Violation(Exception):
    """A promise is broken. ``checker`` names it."""

    def __init__(self, checker: str, detail: str) -> None:
        super().__init__(f"{checker}: {detail}")
        self.checker = checker
        self.detail = detail


class OneOrder:
    """Same (epoch, sequence), same bytes; what was once applied as committed is never replaced by something else.

    Epochs and log times never regress along the log.
    """

    def __init__(self) -> None:
        self.committed: list[LogEntry] = []
        self._bytes_at: dict[tuple[Epoch, Sequence], bytes] = {}
        self._applied_through: dict[str, int] = {}

    def written(self, node: str, entries: Iterable[LogEntry]) -> None:
        """``node`` was told to write ``entries``."""
        for entry in entries:
            key = (entry.epoch, entry.sequence)
            held = self._bytes_at.setdefault(key, entry.encoded)
            if held != entry.encoded:
                raise Violation("one order", f"{node} writes another entry at epoch {key[0]}, sequence {key[1]}")

    def restarted_at(self, node: str, sequence: int) -> None:
        """``node``'s engine now has the state of ``sequence`` (0: empty)."""
        if sequence > len(self.committed):
            raise Violation("one order", f"{node} restores state of sequence {sequence}, which never was committed")
        self._applied_through[node] = sequence

    def applied(self, node: str, entry: LogEntry) -> bool:
        """``node`` was told to apply ``entry``; True when it is the first to."""
        expected = self._applied_through.get(node, 0) + 1
        if entry.sequence != expected:
            raise Violation("one order", f"{node} applies sequence {entry.sequence} where {expected} is next")
        self._applied_through[node] = expected
        if expected <= len(self.committed):
            known = self.committed[expected - 1]
            if known.position != entry.position or known.encoded != entry.encoded:
                raise Violation(
                    "one order",
                    f"{node} applies sequence {expected} of epoch {entry.epoch}, committed was that of {known.epoch}",
                )
            return False
        if self.committed:
            before = self.committed[-1]
            if entry.epoch < before.epoch or entry.log_time_ms < before.log_time_ms:
                raise Violation("one order", f"sequence {expected} goes back in time or epoch: {before} then {entry}")
        self.committed.append(entry)
        return True


class OnceInLog:
    """Each client's publications stand in the committed log once each, in order, without a gap."""

    def __init__(self) -> None:
        self._last: dict[ClientId, int] = {}

    def committed(self, entry: LogEntry) -> None:
        """``entry`` joined the committed log."""
        if not isinstance(entry.body, Publications):
            return
        for publication in entry.body.items:
            expected = self._last.get(publication.client_id, 0) + 1
            if publication.client_sequence != expected:
                raise Violation(
                    "once in log",
                    f"sequence {entry.sequence} holds publication {publication.client_sequence} of "
                    f"{publication.client_id}, after {expected - 1}",
                )
            self._last[publication.client_id] = expected

    def last(self, client: ClientId) -> int:
        """The highest publication of ``client`` in the committed log."""
        return self._last.get(client, 0)


class NothingLost:
    """What was acknowledged is on every disk that the witness names: whoever takes over has it."""

    def __init__(self, order: OneOrder) -> None:
        self._order = order
        self.acked: dict[ClientId, int] = {}
        self.acks = 0

    def acknowledged(self, node: str, client: ClientId, through: ClientSequence, sent: int) -> None:
        """``node`` acknowledges ``client``'s publications through ``through``."""
        if through > sent:
            raise Violation("nothing lost", f"{node} acknowledges {client} through {through}, who sent only {sent}")
        before = self.acked.get(client, 0)
        if through > before:
            self.acks += through - before
            self.acked[client] = through

    def check(self, disk: SimulatedDisk, when: str) -> None:
        """All that was acknowledged must be on ``disk``."""
        held: dict[ClientId, int] = {}
        for entry in self._contents(disk):
            if isinstance(entry.body, Publications):
                for publication in entry.body.items:
                    number = publication.client_sequence
                    held[publication.client_id] = max(held.get(publication.client_id, 0), number)
        for client, through in self.acked.items():
            if held.get(client, 0) < through:
                raise Violation(
                    "nothing lost",
                    f"{when}: {disk.incarnation} (log {disk.log_start.sequence}..{disk.log_end.sequence}) has {client} "
                    f"through {held.get(client, 0)} only, acknowledged was {through}",
                )

    def _contents(self, disk: SimulatedDisk) -> list[LogEntry]:
        """What a start from ``disk`` would know: the newest snapshot's prefix of the log, then the log."""
        snapshot_through = disk.snapshots[-1][0].sequence if disk.snapshots else 0
        if disk.log_start.sequence > snapshot_through or disk.log_end.sequence < snapshot_through:
            return self._order.committed[:snapshot_through]
        return [*self._order.committed[: disk.log_start.sequence], *disk.entries]


class WitnessIsLawful:
    """The row's history: versions and epochs rise, and only a disk that the row named takes over.

    ``loss_accepted``: an operator lets a disk take over that the row does not name.
    """

    def __init__(self) -> None:
        self.loss_accepted = False

    def changed(self, before: WitnessRow | None, after: WitnessRow) -> None:
        """The row was replaced."""
        if not after.names(after.active, after.active_incarnation):
            raise Violation("witness", f"the active is not in its own synced set: {after}")
        if before is None:
            return
        if after.version <= before.version:
            raise Violation("witness", f"version {before.version} was followed by {after.version}")
        if after.epoch == before.epoch:
            if (after.active, after.active_incarnation) != (before.active, before.active_incarnation):
                raise Violation("witness", f"epoch {after.epoch} got another active: {before} then {after}")
        elif after.epoch != before.epoch + 1:
            raise Violation("witness", f"epoch {before.epoch} was followed by {after.epoch}")
        elif not before.names(after.active, after.active_incarnation) and not self.loss_accepted:
            raise Violation("witness", f"{after.active_incarnation} took over, the row named {before.synced}")


class OneActive:
    """At most one process per epoch sequences and publishes, and it is the one that the witness named."""

    def __init__(self) -> None:
        self._active: dict[Epoch, str] = {}
        self._process: dict[Epoch, str] = {}

    def named(self, row: WitnessRow) -> None:
        """The witness holds ``row``."""
        self._active[row.epoch] = row.active_incarnation

    def acts(self, process: str, incarnation: str, epoch: Epoch, what: str) -> None:
        """``process`` (a run of a node) does ``what`` as the active of ``epoch``."""
        known = self._process.setdefault(epoch, process)
        if known != process:
            raise Violation("one active", f"{process} {what} in epoch {epoch}, and so did {known}")
        if self._active.get(epoch) != incarnation:
            named = self._active.get(epoch, "nobody")
            raise Violation("one active", f"{process} {what} in epoch {epoch}, the witness named {named}")


class OutputsOnce:
    """What the stores hold are the rows that an undisturbed run over the committed log gives, each once, in order."""

    def __init__(self, reference: Engine) -> None:
        self._reference = reference
        self._expected: dict[str, list[OutputRow]] = {}
        self._compared: dict[str, int] = {}
        self._digests: dict[int, bytes] = {}
        self._applied_through = 0
        self.compares_digests = True

    def committed(self, entry: LogEntry, *, digest_due: bool, quarantined: tuple[Quarantine, ...] = ()) -> None:
        """``entry`` is applied by the first node: the reference applies it, without what that node left out."""
        if entry.sequence <= self._applied_through:
            return
        self._applied_through = entry.sequence
        for output in self._reference.apply(entry, quarantined).outputs:
            rows = rows_of(output)
            if rows:
                self._expected.setdefault(output.sink, []).extend(rows)
        if digest_due:
            self._digests[entry.sequence] = self._reference.digest()

    def store_committed(self, store: SimulatedStore) -> None:
        """A transaction was committed in ``store``."""
        expected = self._expected.get(store.name, [])
        start = self._compared.get(store.name, 0)
        for index in range(start, len(store.rows)):
            if index >= len(expected):
                raise Violation("outputs once", f"{store.name} holds a row too many: {store.rows[index]}")
            if store.rows[index] != expected[index]:
                raise Violation(
                    "outputs once",
                    f"row {index} of {store.name} is {store.rows[index]}, the reference run gives {expected[index]}",
                )
        self._compared[store.name] = len(store.rows)

    def complete(self, store: SimulatedStore) -> bool:
        """Whether ``store`` holds everything that the committed log puts out."""
        return len(store.rows) == len(self._expected.get(store.name, ()))

    def digest(self, node: str, sequence: int, digest: bytes) -> None:
        """``node``'s state after ``sequence``."""
        expected = self._digests.get(sequence)
        if self.compares_digests and expected is not None and expected != digest:
            raise Violation("equal digests", f"{node} has another state than the reference after sequence {sequence}")


class SameLeftOut:
    """Of each entry both nodes leave out the same, and only what the log says."""

    def __init__(self) -> None:
        self._left_out: dict[Sequence, tuple[Quarantine, ...]] = {}

    def applied(self, node: str, entry: LogEntry, quarantined: tuple[Quarantine, ...]) -> None:
        """``node`` applied ``entry`` without ``quarantined``."""
        known = self._left_out.setdefault(entry.sequence, quarantined)
        if known != quarantined:
            raise Violation("same left out", f"{node} leaves {quarantined} out of entry {entry.sequence}, not {known}")


class StateDumps:
    """What nodes keep of states that differed can be compared: both of one position, and not the same.

    ``complete``: how often one node had both.
    """

    def __init__(self) -> None:
        self._mine: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._elsewhere: set[str] = set()
        self.complete = 0

    @property
    def of_nodes(self) -> int:
        """How many states nodes kept of their own."""
        return len(self._mine)

    def not_reached(self, node: str) -> None:
        """``node`` said that it dumps its state as of another position than it was told."""
        self._elsewhere.add(node)

    def kept(self, node: str, dump: KeepDump, state: bytes) -> None:
        """``node`` keeps ``state``, which the snapshot on its disk holds."""
        cut = dump.manifest.position.sequence
        if dump.side == MINE:
            if cut != dump.dump and node not in self._elsewhere:
                raise Violation("dumps", f"{node} dumps its state as of {cut} instead of {dump.dump} without a word")
            self._elsewhere.discard(node)
            self._mine[node, dump.dump] = (cut, state)
            return
        mine = self._mine.get((node, dump.dump))
        if mine is not None and mine[0] == cut:
            if mine[1] == state:
                raise Violation("dumps", f"{node} keeps one state twice as of {cut}, although the nodes differed")
            self.complete += 1


class Checkers:
    """All oracles of one run."""

    def __init__(self, reference: Engine, digest_every: int) -> None:
        self.order = OneOrder()
        self.once = OnceInLog()
        self.lost = NothingLost(self.order)
        self.witness = WitnessIsLawful()
        self.active = OneActive()
        self.outputs = OutputsOnce(reference)
        self.dumps = StateDumps()
        self.left_out = SameLeftOut()
        self.deaths = DeathsByPoison()
        self.digest_every = digest_every

    def applied(self, node: str, entry: LogEntry) -> None:
        """``node`` applies ``entry`` as committed."""
        if self.order.applied(node, entry):
            self.once.committed(entry)

    def executed(self, node: str, entry: LogEntry, quarantined: tuple[Quarantine, ...] = ()) -> None:
        """``node``'s engine applied ``entry`` without what is quarantined of it."""
        self.left_out.applied(node, entry, quarantined)
        digest_due = entry.sequence % self.digest_every == 0
        self.outputs.committed(entry, digest_due=digest_due, quarantined=quarantined)

    def died_of_poison(self, sequence: Sequence) -> None:
        """A process died of ``sequence``, or hangs at it for ever."""
        wrong = self.deaths.died(sequence)
        if wrong is not None:
            raise Violation("poison", wrong)

    def row_changed(self, before: WitnessRow | None, after: WitnessRow, disks: Iterable[SimulatedDisk]) -> None:
        """The witness holds ``after``; every disk that it names must hold what was acknowledged."""
        self.witness.changed(before, after)
        self.active.named(after)
        for disk in disks:
            if any(member.incarnation == disk.incarnation for member in after.synced):
                self.lost.check(disk, f"epoch {after.epoch}, version {after.version}")
