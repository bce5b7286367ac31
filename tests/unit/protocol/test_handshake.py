import pytest
from hypothesis import given
from hypothesis import strategies as st

from eiha.errors import (
    AuthenticationFailed,
    MalformedFrame,
    NodeIdInUse,
    OtherCluster,
    ProtocolError,
    VersionMismatch,
    WrongChannel,
)
from eiha.kernel.ids import Incarnation, NodeId
from eiha.protocol import handshake as hs
from eiha.protocol.framing import Frame, FrameDecoder, encode_frame
from eiha.protocol.handshake import Handshake, HandshakeIdentity, HandshakeState, Side
from eiha.protocol.peer_messages import PeerIdentity

ONE = HandshakeIdentity("flights", "eventSync", NodeId("node1"), Incarnation("disk-a"))
TWO = HandshakeIdentity("flights", "eventSync", NodeId("node2"), Incarnation("disk-b"))


def frames_of(data):
    decoder = FrameDecoder(Handshake.frame_bytes_max)
    decoder.receive(data)
    found = []
    while (frame := decoder.next_frame()) is not None:
        found.append(frame)
    assert decoder.buffered_bytes == 0
    return found


def run(one, two):
    """Carry frames to and fro until both are silent; the last step of each side that ended it."""
    ends = {one: None, two: None}
    queue = [(two, one.start())]
    while queue:
        receiver, data = queue.pop(0)
        other = one if receiver is two else two
        for frame in frames_of(data):
            step = receiver.receive(frame)
            if step.peer or step.failure:
                ends[receiver] = step
            if step.send:
                queue.append((other, step.send))
    return ends[one], ends[two]


def pair(one=ONE, two=TWO, secret_one=b"secret", secret_two=b"secret"):
    return (
        Handshake(Side.INITIATOR, one, secret_one, b"1" * 32),
        Handshake(Side.RESPONDER, two, secret_two, b"2" * 32),
    )


def test_two_nodes_with_one_secret_know_each_other():
    initiator, responder = pair()
    first, second = run(initiator, responder)
    assert first.peer == PeerIdentity(NodeId("node2"), Incarnation("disk-b"))
    assert second.peer == PeerIdentity(NodeId("node1"), Incarnation("disk-a"))
    assert initiator.state is responder.state is HandshakeState.DONE


def other(**changes):
    return HandshakeIdentity(
        **{"cluster": "flights", "channel": "eventSync", "node": "node2", "incarnation": "disk-b"} | changes
    )


@pytest.mark.parametrize(
    ("two", "secret", "error", "text"),
    [
        (TWO, b"wrong", AuthenticationFailed, "secret of cluster 'flights' is not the same"),
        (other(cluster="trains"), b"secret", OtherCluster, "'trains'"),
        (other(channel="management"), b"secret", WrongChannel, "management"),
        (other(node="node1"), b"secret", NodeIdInUse, "both nodes are called 'node1'"),
        (other(node="node1", incarnation="disk-a"), b"secret", NodeIdInUse, "reached itself"),
    ],
)
def test_both_sides_learn_why_it_failed(two, secret, error, text):
    initiator, responder = pair(two=two, secret_two=secret)
    first, second = run(initiator, responder)
    assert type(first.failure) is error
    assert type(second.failure) is error
    assert text in str(first.failure)
    assert text in str(second.failure)
    assert first.peer is None
    assert second.peer is None
    assert initiator.state is responder.state is HandshakeState.FAILED


def test_another_version_is_refused_by_name_on_both_sides():
    _, responder = pair()
    hello = hs.Hello(2, 3, "flights", "eventSync", "node1", "disk-a", b"1" * 32)
    step = responder.receive(Frame(*hs.HANDSHAKE_TABLE.encode(hello)))
    assert isinstance(step.failure, VersionMismatch)
    assert "2 to 3" in str(step.failure)
    initiator, _ = pair()
    initiator.start()
    (frame,) = frames_of(step.send)
    assert isinstance(initiator.receive(frame).failure, VersionMismatch)


def test_a_replayed_conversation_proves_nothing():
    initiator, responder = pair()
    hello = initiator.start()
    reply = responder.receive(frames_of(hello)[0]).send
    proof = initiator.receive(frames_of(reply)[0]).send
    fresh = Handshake(Side.RESPONDER, TWO, b"secret", b"3" * 32)
    fresh.receive(frames_of(hello)[0])
    assert isinstance(fresh.receive(frames_of(proof)[0]).failure, AuthenticationFailed)


def test_the_responders_proof_cannot_be_sent_back_as_the_initiators():
    initiator, responder = pair()
    reply = responder.receive(frames_of(initiator.start())[0]).send
    (frame,) = frames_of(reply)
    decoded = hs.HANDSHAKE_TABLE.decode(frame.type, frame.body)
    echoed = Frame(*hs.HANDSHAKE_TABLE.encode(hs.Proof(decoded.proof)))
    assert isinstance(responder.receive(echoed).failure, AuthenticationFailed)


@pytest.mark.parametrize("message", [hs.Proof(b"x" * 32), hs.Accepted(), hs.Reply(1, "c", "e", "n", "i", b"", b"")])
def test_a_message_out_of_turn_is_refused(message):
    _, responder = pair()
    step = responder.receive(Frame(*hs.HANDSHAKE_TABLE.encode(message)))
    assert isinstance(step.failure, MalformedFrame)
    assert "out of turn, awaiting hello" in str(step.failure)


def test_an_acceptance_without_a_proof_is_not_believed():
    initiator, _ = pair()
    initiator.start()
    step = initiator.receive(Frame(*hs.HANDSHAKE_TABLE.encode(hs.Accepted())))
    assert step.peer is None
    assert isinstance(step.failure, MalformedFrame)


def test_nothing_is_taken_after_the_end():
    initiator, responder = pair()
    run(initiator, responder)
    step = responder.receive(Frame(*hs.HANDSHAKE_TABLE.encode(hs.Proof(b"x" * 32))))
    assert step.failure is not None
    assert responder.state is HandshakeState.FAILED


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=80)), max_size=4), st.sampled_from(list(Side)))
def test_arbitrary_frames_end_in_a_refusal_and_never_in_a_peer(frames, side):
    handshake = Handshake(side, ONE, b"secret", b"1" * 32)
    handshake.start()
    for type_, body in frames:
        step = handshake.receive(Frame(type_, memoryview(body)))
        assert step.peer is None


def test_a_refusal_of_an_unknown_code_is_still_readable():
    initiator, _ = pair()
    initiator.start()
    step = initiator.receive(Frame(*hs.HANDSHAKE_TABLE.encode(hs.Refused("tired", "come back later"))))
    assert type(step.failure) is ProtocolError
    assert "come back later" in str(step.failure)
    assert step.send == b""


def test_a_failure_of_the_decoder_can_be_told_too():
    (frame,) = frames_of(hs.refusal(VersionMismatch("version 9")))
    assert hs.HANDSHAKE_TABLE.decode(frame.type, frame.body) == hs.Refused("version-mismatch", "version 9")
    assert encode_frame(frame.type, bytes(frame.body)) == hs.refusal(VersionMismatch("version 9"))


def test_the_largest_names_fit_the_handshakes_frames():
    name = "\U0001f980" * 255
    one = HandshakeIdentity(name, "eventSync", NodeId(name), Incarnation(name))
    two = HandshakeIdentity(name, "eventSync", NodeId("node2"), Incarnation(name))
    first, _ = run(*pair(one, two))
    assert first.peer is not None


def changing(secret_one, previous_one, secret_two, previous_two):
    return (
        Handshake(Side.INITIATOR, ONE, secret_one, b"1" * 32, previous_secret=previous_one),
        Handshake(Side.RESPONDER, TWO, secret_two, b"2" * 32, previous_secret=previous_two),
    )


@pytest.mark.parametrize(
    ("secrets", "by_previous"),
    [
        ((b"new", b"old", b"old", b""), (True, False)),
        ((b"old", b"", b"new", b"old"), (False, True)),
        ((b"new", b"old", b"new", b"old"), (False, False)),
        ((b"new", b"old", b"old", b"new"), (False, True)),
    ],
    ids=["the initiator has changed", "the responder has changed", "both have", "one the wrong way round"],
)
def test_while_a_secret_is_changed_on_one_node_after_the_other_they_know_each_other(secrets, by_previous):
    first, second = run(*changing(*secrets))
    assert first.peer == PeerIdentity(NodeId("node2"), Incarnation("disk-b"))
    assert second.peer == PeerIdentity(NodeId("node1"), Incarnation("disk-a"))
    assert (first.by_previous_secret, second.by_previous_secret) == by_previous


def test_a_secret_that_neither_knows_any_more_is_refused():
    first, _ = run(*changing(b"new", b"old", b"oldest", b"older"))
    assert isinstance(first.failure, AuthenticationFailed)


def test_both_secrets_are_proven_by_a_responder_that_has_two_and_only_then():
    for responder, length in ((changing(b"a", b"", b"a", b"b")[1], 64), (pair()[1], 32)):
        initiator = Handshake(Side.INITIATOR, ONE, b"secret", b"1" * 32)
        (frame,) = frames_of(initiator.start())
        (reply,) = frames_of(responder.receive(frame).send)
        assert len(hs.HANDSHAKE_TABLE.decode(reply.type, reply.body).proof) == length


@pytest.mark.parametrize(
    ("seen_by_one", "seen_by_two", "known"),
    [
        ((b"cert1", b"cert2"), (b"cert2", b"cert1"), True),
        ((b"", b"cert2"), (b"cert2", b""), True),
        ((b"cert1", b"middle"), (b"cert2", b"middle"), False),
        ((b"cert1", b"cert2"), (b"cert2", b"middle"), False),
        ((b"", b""), (b"cert2", b"cert1"), False),
    ],
    ids=["mutual", "only the responder shows one", "one in the middle", "middle, one way", "TLS ended in between"],
)
def test_a_proof_holds_for_the_certificates_that_both_sides_saw(seen_by_one, seen_by_two, known):
    initiator, responder = pair()
    initiator.bind(*seen_by_one)
    responder.bind(*seen_by_two)
    first, second = run(initiator, responder)
    assert (first.peer is not None and second is not None and second.peer is not None) is known
    if not known:
        assert isinstance(first.failure, AuthenticationFailed)
