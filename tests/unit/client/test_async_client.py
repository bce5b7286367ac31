import asyncio
import contextlib

import numpy as np
import pytest
import uvloop

from eiha.client import Client, ClientOptions, Coded
from eiha.errors import ClientClosed, ConfigurationError, NoNodeReachable, UnknownStream, WrongSchema, WrongValue
from eiha.events.schema import Attribute, AttributeType, Schema, StreamDefinition
from eiha.receivers.intake import IntakeState
from eiha.receivers.tcp import TcpLimits, TcpReceiver
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog

OPTIONS = ClientOptions(give_up_s=5, backoff_first_s=0.001, backoff_max_s=0.01, connect_timeout_s=1)


class Cluster:
    """Two nodes on one log, to be killed and restarted; ports stay."""

    def __init__(self):
        self.log = MemoryLog()
        self.intakes = [MemoryIntake(self.log, f"node{n}") for n in (1, 2)]
        self.servers = [None, None]
        self.addresses = ["", ""]

    async def start(self, index, **limits):
        port = int(self.addresses[index].rpartition(":")[2] or 0)
        server = self.servers[index] = TcpReceiver(self.intakes[index], limits=TcpLimits(**limits))
        self.addresses[index] = "{}:{}".format(*await server.start("127.0.0.1", port))

    async def kill(self, index):
        """As a process that dies: connections are reset, nothing more is said or heard."""
        server = self.servers[index]
        for connection in list(server.connections):
            connection._transport.abort()
        await server.close()


@contextlib.asynccontextmanager
async def cluster(**limits):
    nodes = Cluster()
    await nodes.start(0, **limits)
    await nodes.start(1, **limits)
    try:
        yield nodes
    finally:
        for server in nodes.servers:
            await server.close()


def columns(*volumes):
    n = len(volumes)
    return {"symbol": np.array(["IBM"] * n), "price": np.full(n, 1.5), "volume": np.array(volumes, dtype=np.int64)}


def volumes(log):
    return [row[2] for row in log.rows()]


async def test_columns_and_rows_arrive_in_order_and_are_acknowledged():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        first = await client.publish_columns("Trades", columns(1, 2))
        second = await client.publish_rows("Trades", [["ACME", 2, 3], [None, None, 4]])
        third = await client.publish_columns("Trades", columns(5))
        assert [await first, await second, await third] == [2, 2, 1]
        assert volumes(nodes.log) == [1, 2, 3, 4, 5]
        assert nodes.log.rows()[3] == [None, None, 4]


async def test_rows_of_one_turn_share_a_publication_and_full_batches_go_at_once():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        for number in range(20):
            await client.publish_rows("Trades", [["a", 1.0, number]])
        await client.flush()
        assert volumes(nodes.log) == list(range(20))
        assert len(nodes.log.publications) == 1


@pytest.mark.parametrize("rows_on_wire", [False, True])
async def test_event_times_reach_the_log(rows_on_wire):
    options = ClientOptions(rows_on_wire=rows_on_wire)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        await client.publish_rows("Trades", [["a", 1.0, 1]], [77])
        await client.publish_rows("Trades", [["a", 1.0, 2]])
        await client.publish_columns("Trades", columns(3), np.array([99]))
        await client.flush()
        assert volumes(nodes.log) == [1, 2, 3]
        assert len(nodes.log.publications) == 3


async def test_a_killed_node_loses_nothing_and_doubles_nothing():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        nodes.intakes[0].held = True  # logged, not acknowledged: the resend must be recognised
        futures = [await client.publish_columns("Trades", columns(number)) for number in range(50)]
        await nodes.intakes[0].logged(20)
        await nodes.kill(0)
        futures += [await client.publish_columns("Trades", columns(number)) for number in range(50, 60)]
        await asyncio.gather(*futures)
        assert volumes(nodes.log) == list(range(60))


async def test_nodes_that_die_and_return_in_turn_are_survived():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        futures = []
        for number in range(60):
            futures.append(await client.publish_columns("Trades", columns(number)))
            if number % 10 == 9:
                dying = number // 10 % 2
                await nodes.kill(dying)
                await futures[-1]
                await nodes.start(dying)
        assert await asyncio.gather(*futures) == [1] * 60
        assert volumes(nodes.log) == list(range(60))


async def test_all_nodes_away_for_a_while_delays_and_loses_nothing():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        await (await client.publish_columns("Trades", columns(0)))
        await nodes.kill(0)
        await nodes.kill(1)
        late = await client.publish_columns("Trades", columns(1))
        await nodes.start(1)
        assert await late == 1
        assert volumes(nodes.log) == [0, 1]


async def test_a_node_that_falls_silent_is_left_as_soon_as_another_is_active():
    options = ClientOptions(give_up_s=5, probe_s=0.02, silence_s=60, connect_timeout_s=1)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        await (await client.publish_columns("Trades", columns(0)))
        nodes.intakes[0].held = True  # it stands still; the other one is no active yet
        facts = nodes.intakes[1].node_facts
        nodes.intakes[1].node_facts = type(facts)("node2", "passive", nodes.addresses[0])
        late = await client.publish_columns("Trades", columns(1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(late), 0.2)
        assert nodes.intakes[1].submissions == []
        nodes.intakes[1].node_facts = type(facts)("node2", "active", "")
        assert await asyncio.wait_for(late, 5) == 1
        assert volumes(nodes.log) == [0, 1]
        assert "is active" in client.links[0].failures[nodes.addresses[0]]


async def test_a_slow_node_is_not_left_while_no_other_is_active():
    options = ClientOptions(give_up_s=5, probe_s=0.01, silence_s=60, connect_timeout_s=1)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        nodes.intakes[0].held = True
        facts = nodes.intakes[1].node_facts
        nodes.intakes[1].node_facts = type(facts)("node2", "passive", nodes.addresses[0])
        late = await client.publish_columns("Trades", columns(1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(late), 0.2)
        nodes.intakes[0].release()
        assert await asyncio.wait_for(late, 5) == 1
        assert len(nodes.intakes[0].submissions) == 1


async def test_a_passive_hands_the_client_on_to_the_active_once():
    async with cluster() as nodes:
        nodes.intakes[0].node_facts = type(nodes.intakes[0].node_facts)("node1", "passive", nodes.addresses[1])
        async with Client(nodes.addresses, options=OPTIONS) as client:
            await (await client.publish_columns("Trades", columns(1)))
        assert nodes.intakes[0].submissions == []
        # an active that cannot be reached must not keep the client from the passive
        nodes.intakes[0].node_facts = type(nodes.intakes[0].node_facts)("node1", "passive", "127.0.0.1:1")
        async with Client(nodes.addresses, options=OPTIONS) as client:
            await (await client.publish_columns("Trades", columns(2)))
        assert len(nodes.intakes[0].submissions) == 1


async def test_a_redirect_is_followed():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        await (await client.publish_columns("Trades", columns(1)))
        await nodes.servers[0].close(redirect=nodes.addresses[1])
        await (await client.publish_columns("Trades", columns(2)))
        assert volumes(nodes.log) == [1, 2]


async def test_a_refusal_to_be_retried_is_retried_in_order():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        await client.definition("Trades")
        nodes.intakes[0].refuse_next = 3
        futures = [await client.publish_columns("Trades", columns(number)) for number in range(10)]
        await asyncio.gather(*futures)
        assert volumes(nodes.log) == list(range(10))


async def test_a_stream_that_changed_fails_its_publications_and_no_others():
    other = StreamDefinition("Other", Schema((Attribute("n", AttributeType.INT),)))
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        intake = nodes.intakes[0]
        intake.definitions["Other"] = other
        await (await client.publish_columns("Other", {"n": np.arange(2)}))
        intake.definitions["Other"] = StreamDefinition("Other", Schema((Attribute("t", AttributeType.STRING),)))
        good = [await client.publish_columns("Trades", columns(1))]
        bad = await client.publish_columns("Other", {"n": np.arange(2)})
        good.append(await client.publish_columns("Trades", columns(2)))
        with pytest.raises(WrongSchema, match="column 't' is string"):
            await bad
        assert await asyncio.gather(*good) == [1, 1]
        with pytest.raises(WrongSchema):
            await client.flush()
        assert volumes(nodes.log) == [1, 2]
        del intake.definitions["Other"]
        gone = await client.publish_columns("Other", {"n": np.arange(2)})
        with pytest.raises(UnknownStream, match="'Other'; there are: Trades"):
            await gone
        with pytest.raises(UnknownStream):
            await client.publish_columns("Other", {"n": np.arange(2)})
        with pytest.raises(UnknownStream):
            await client.flush()


async def test_a_session_that_the_cluster_forgot_begins_anew():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        await (await client.publish_columns("Trades", columns(1)))
        nodes.log.sessions.clear()
        await asyncio.wait_for(await client.publish_columns("Trades", columns(2)), 5)
        assert volumes(nodes.log) == [1, 2]


async def test_wrong_values_are_errors_where_they_are_made():
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        with pytest.raises(WrongValue, match="'price' is double"):
            await client.publish_columns("Trades", columns(1) | {"price": np.array(["x"])})
        with pytest.raises(UnknownStream, match="no deployed plan defines stream 'Nope'"):
            await client.publish_rows("Nope", [[1]])
        good = await client.publish_rows("Trades", [["a", 1, 1]])
        bad = await client.publish_rows("Trades", [["a", "1", 1]])
        assert await good == 1
        with pytest.raises(WrongValue, match="row 0: attribute 'price'"):
            await bad
        with pytest.raises(WrongValue):
            await client.flush()
        await client.flush()
        assert volumes(nodes.log) == [1]


async def test_publishing_waits_at_the_bound_and_goes_on_with_the_acks():
    options = ClientOptions(unacked_rows_max=4, give_up_s=5)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        nodes.intakes[0].held = True
        await client.publish_columns("Trades", columns(1, 2, 3))
        waiting = asyncio.create_task(client.publish_columns("Trades", columns(4, 5)))
        await nodes.intakes[0].logged(1)
        assert not waiting.done()
        assert client.unacked_rows == 3
        nodes.intakes[0].held = False
        nodes.intakes[0].release()
        assert await (await waiting) == 2


async def test_a_nodes_credit_is_kept():
    async with cluster(credit_rows=5) as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        nodes.intakes[0].held = True
        for number in range(4):
            await client.publish_columns("Trades", columns(number, number))
        await nodes.intakes[0].logged(2)
        nodes.intakes[0].set_state(IntakeState(open=True))
        assert len(nodes.log.publications) == 2
        nodes.intakes[0].held = False
        nodes.intakes[0].release()
        await client.flush()
        assert len(nodes.log.publications) == 4


async def test_a_silent_node_is_left_for_the_other():
    options = ClientOptions(silence_s=0.05, give_up_s=5)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        nodes.intakes[0].held = True
        await (await client.publish_columns("Trades", columns(1)))
        assert volumes(nodes.log) == [1]
        assert len(nodes.servers[1].by_client) == 1


async def test_both_nodes_get_everything_in_the_duplicated_mode_and_one_is_enough():
    options = ClientOptions(events_duplicated_in_cluster=True, backoff_first_s=0.001, backoff_max_s=0.01)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client:
        nodes.intakes[0].held = True
        futures = [await client.publish_columns("Trades", columns(number)) for number in range(10)]
        await asyncio.gather(*futures)
        await nodes.kill(1)
        nodes.intakes[0].held = False
        futures = [await client.publish_columns("Trades", columns(number)) for number in range(10, 20)]
        await asyncio.gather(*futures)
        assert volumes(nodes.log) == list(range(20))
        assert nodes.intakes[0].duplicated == nodes.intakes[1].duplicated == {True}


async def test_a_node_that_did_not_read_for_a_while_is_sent_what_comes_after_what_the_other_acknowledged():
    options = ClientOptions(events_duplicated_in_cluster=True, silence_s=60)
    async with cluster() as nodes, Client(nodes.addresses, options=options) as client, asyncio.timeout(20):
        await (await client.publish_columns("Trades", columns(0)))
        while not all(link.connection and link.connection.is_ready for link in client.links):
            await client._next_change()
        first = client.links[0].connection
        nodes.intakes[0].set_state(IntakeState(open=False, reason="a switchover"))
        while first._credit_rows:  # noqa: ASYNC110 - the client tells nobody of its credit
            await asyncio.sleep(0)
        for number in range(1, 6):
            await (await client.publish_columns("Trades", columns(number)))
        await nodes.kill(1)
        nodes.intakes[0].set_state(IntakeState(open=True))
        await (await client.publish_columns("Trades", columns(6)))
        assert volumes(nodes.log) == list(range(7))


async def test_no_node_is_an_error_that_says_what_each_did():
    async with cluster() as nodes:
        addresses = list(nodes.addresses)
    client = Client(addresses, options=ClientOptions(give_up_s=0.1))
    with pytest.raises(NoNodeReachable) as caught:
        await client.connect()
    assert all(address in str(caught.value) for address in addresses)
    await client.close()
    with pytest.raises(ConfigurationError, match="host:port, not 'node1'"):
        Client(["node1"])
    with pytest.raises(ConfigurationError):
        Client([])


async def test_what_is_unacknowledged_at_the_end_fails():
    async with cluster() as nodes:
        nodes.intakes[0].held = True
        client = Client(nodes.addresses, options=OPTIONS)
        await client.connect()
        future = await client.publish_columns("Trades", columns(1))
        await client.close(flush=False)
        with pytest.raises(ClientClosed):
            await future
        with pytest.raises(ClientClosed):
            await client.publish_columns("Trades", columns(1))


async def test_coded_texts_and_masked_arrays_are_taken_as_they_are():
    data = {
        "symbol": Coded(np.array([1, -1, 0]), ["x", "y"]),
        "price": np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[False, True, False]),
        "volume": [1, None, 3],
    }
    async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
        await (await client.publish_columns("Trades", data))
        assert nodes.log.rows() == [["y", 1.0, 1], [None, None, None], ["x", 3.0, 3]]


def test_everything_runs_on_uvloop_too():
    async def scenario():
        async with cluster() as nodes, Client(nodes.addresses, options=OPTIONS) as client:
            futures = [await client.publish_columns("Trades", columns(number)) for number in range(20)]
            await futures[9]
            await nodes.kill(0)
            futures += [await client.publish_rows("Trades", [["a", 1.0, number]]) for number in range(20, 40)]
            await asyncio.gather(*futures)
            assert volumes(nodes.log) == list(range(40))

    uvloop.run(scenario())
