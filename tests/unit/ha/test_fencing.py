from __future__ import annotations

import pytest

from eiha.ha.fencing import Fence
from eiha.kernel.ids import Epoch
from eiha.protocol.outputs import PublishPermit


def test_a_permit_is_of_its_epoch_and_gone_once_revoked() -> None:
    fence = Fence()
    assert fence.permit is None
    assert fence.grant(Epoch(2)) == PublishPermit(Epoch(2))
    assert fence.revoke()
    assert fence.permit is None
    assert not fence.revoke()


def test_an_epoch_is_granted_once_and_only_upwards() -> None:
    fence = Fence()
    fence.grant(Epoch(2))
    with pytest.raises(AssertionError):
        fence.grant(Epoch(3))
    fence.revoke()
    with pytest.raises(AssertionError):
        fence.grant(Epoch(2))
    fence.grant(Epoch(3))


def test_a_switchover_called_off_gives_the_same_epoch_back() -> None:
    fence = Fence()
    fence.grant(Epoch(2))
    fence.revoke()
    assert fence.restore() == PublishPermit(Epoch(2))
