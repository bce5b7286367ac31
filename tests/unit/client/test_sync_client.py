import asyncio
import threading

import numpy as np
import pytest

from eiha.client import ClientOptions, SyncClient
from eiha.errors import ClientClosed, NoNodeReachable, UnknownStream
from eiha.receivers.tcp import TcpReceiver
from tests.unit.receivers.memory_intake import MemoryIntake, MemoryLog


@pytest.fixture
def node():
    """A receiver on a thread of its own; its log and address."""
    log = MemoryLog()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    served = TcpReceiver(MemoryIntake(log))
    host, port = call(served.start("127.0.0.1", 0))
    yield log, f"{host}:{port}"
    call(served.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_plain_program_publishes_and_gets_acknowledgements(node):
    log, address = node
    with SyncClient([address], client_id="plain") as client:
        ack = client.publish_columns("Trades", {"symbol": ["a", "b"], "price": np.ones(2), "volume": np.arange(2)})
        assert ack.result(10) == 2
        client.publish_rows("Trades", [["c", 2.0, 2]])
        client.flush(timeout_s=10)
        assert client.definition("Trades").schema.names == ("symbol", "price", "volume")
        with pytest.raises(UnknownStream):
            client.publish_rows("Nope", [[1]])
    assert [row[0] for row in log.rows()] == ["a", "b", "c"]
    assert log.publications[0].client_id.startswith("plain#")
    with pytest.raises(ClientClosed):
        client.publish_rows("Trades", [["c", 2.0, 2]])
    client.close()


def test_without_a_node_it_says_so_and_leaves_no_thread(node):
    before = threading.active_count()
    client = SyncClient(["127.0.0.1:1"], options=ClientOptions(give_up_s=0.05))
    with pytest.raises(NoNodeReachable, match=r"127\.0\.0\.1:1"):
        client.connect()
    client.close()
    assert threading.active_count() == before
