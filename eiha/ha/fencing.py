"""The right to publish: held by the active of an epoch, given up before anything else when it is not."""

from __future__ import annotations

from eiha.ha import rules
from eiha.kernel.ids import Epoch
from eiha.protocol.outputs import PublishPermit


class Fence:
    """At most one permit at a time; epochs only rise."""

    __slots__ = ("_permit", "highest_epoch")

    def __init__(self) -> None:
        self._permit: PublishPermit | None = None
        self.highest_epoch: Epoch = Epoch(0)

    @property
    def permit(self) -> PublishPermit | None:
        """The permit, None when this node must not publish."""
        return self._permit

    def grant(self, epoch: Epoch) -> PublishPermit:
        """This node became active of ``epoch``, which must be newer than any it was active in."""
        assert self._permit is None
        assert epoch > self.highest_epoch, (epoch, self.highest_epoch)
        self.highest_epoch = epoch
        self._permit = rules.permit_for(epoch)
        return self._permit

    def restore(self) -> PublishPermit:
        """Go on after a switchover that was called off: the epoch is still this node's."""
        assert self._permit is None
        self._permit = rules.permit_for(self.highest_epoch)
        return self._permit

    def revoke(self) -> bool:
        """Give the permit up. Returns whether there was one."""
        held = self._permit is not None
        self._permit = None
        return held
