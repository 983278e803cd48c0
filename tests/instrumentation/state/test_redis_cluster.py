"""A real cluster on loopback: three primaries, and a replica of the one that has the keys."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from vigilo.state.redis import RedisStore
from vigilo.state.store import Count, Need, Reserved, Slot, StateError

from .redis_server import RedisServer, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.needs_redis
redis = pytest.importorskip("redis")

SLOTS = 16_384
SECOND_NS = 1_000_000_000
NAMESPACE = "vigilo"
NEED = [Need("requests", 1, 100, 1)]


def wait_for(what: str, is_so) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Cluster:
    """Nodes by their number; 0 to 2 have a third of the slots each."""

    def __init__(self, servers: list[RedisServer]) -> None:
        self.servers = servers
        self.clients = [redis.Redis(port=server.port) for server in servers]
        self.ids = [client.execute_command("CLUSTER", "MYID").decode() for client in self.clients]

    def join(self) -> None:
        bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
        for number in range(3):
            self.clients[number].execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for server in self.servers[1:]:
            self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, server.port + 10_000)
        self.wait_for_all("all know each other", "cluster_known_nodes", str(len(self.servers)))
        replica = self.clients[3]

        def follows() -> bool:
            try:
                replica.execute_command("CLUSTER", "REPLICATE", self.ids[self.owner()])
            except redis.ResponseError:  # it is still shaking hands with that one
                return False
            return True

        wait_for("the replica knows whom to follow", follows)
        self.wait_for_all("the cluster works", "cluster_state", "ok")
        self.wait_for_all("all know who has which slot", "cluster_slots_assigned", str(SLOTS))
        wait_for("there is a replica", lambda: replica.info("replication").get("master_link_status") == "up")

    def wait_for_all(self, what: str, key: str, value: str) -> None:
        wait_for(what, lambda: all(self.info(client)[key] == value for client in self.clients))

    @staticmethod
    def info(client: redis.Redis) -> dict[str, str]:
        told = client.execute_command("CLUSTER", "INFO")
        if isinstance(told, dict):
            return {key: str(value) for key, value in told.items()}
        lines = told.decode().split()
        return dict(line.split(":", 1) for line in lines)

    @property
    def slot(self) -> int:
        return int(self.clients[0].execute_command("CLUSTER", "KEYSLOT", f"{{{NAMESPACE}}}"))

    def owner(self) -> int:
        return next(number for number in range(3) if self.slot < SLOTS * (number + 1) // 3)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(tmp_path / str(number), *options, port=low_port())) for number in range(4)
        ]
        cluster = Cluster(servers)
        for client in cluster.clients:
            stack.enter_context(client)
        cluster.join()
        yield cluster


def low_port() -> int:
    """The nodes talk to each other on a port that is 10,000 higher."""
    while (port := free_port()) > 55_000:
        pass
    return port


@contextmanager
def store_at(cluster: Cluster, number: int) -> Iterator[RedisStore]:
    store = RedisStore(f"redis://127.0.0.1:{cluster.servers[number].port}", NAMESPACE, 5_000)
    try:
        yield store
    finally:
        store.close()


def test_a_cluster(cluster: Cluster) -> None:
    """Any node leads to the keys, also after they have moved or failed over. One test: a cluster takes seconds."""
    # Any node will do, also a replica.
    for number in range(4):
        with store_at(cluster, number) as store:
            answer = store.reserve(f"h{number}", NEED, [Slot("rate", SECOND_NS, 9, 0)], hold_s=60)
            assert isinstance(answer, Reserved)
            assert store.settle(f"h{number}", NEED, [1]).counts == (Count(number + 1, 0),)
            store.put_rule("a", f"{number}")
            assert dict(store.rules()) == {"a": f"{number}"}
            store.push_back("later", int(1e9))
            store.reserve(f"lost{number}", [Need("lost", 1, None, 1)], hold_s=0.001)
            time.sleep(0.01)
            assert store.sweep() == 1
            assert store.read(["lost"]) == [Count(number + 1, 0)]

    owner = cluster.owner()
    other = (owner + 1) % 3
    with store_at(cluster, other) as store:
        assert store.read(["requests"]) == [Count(4, 0)]
        move_slot(cluster, owner, other, store)
        assert store.settle("after the move", NEED, [1]).counts == (Count(5, 0),)
        move_slot(cluster, other, owner, store)
        assert store.settle("after the way back", NEED, [1]).counts == (Count(6, 0),)

        wait_for("the replica has it all", lambda: cluster.clients[owner].execute_command("WAIT", 1, 1000) == 1)
        cluster.servers[owner].process.kill()
        outcome: list[Count] = []

        def is_back() -> bool:
            try:
                outcome[:] = store.settle("after the failure", NEED, [1]).counts
            except StateError:
                return False
            return True

        wait_for("the replica takes over", is_back)
        assert outcome == [Count(7, 0)]


def move_slot(cluster: Cluster, source: int, target: int, store: RedisStore) -> None:
    """Moves the namespace, and asks the store in the middle of it."""
    slot, clients, ids = cluster.slot, cluster.clients, cluster.ids
    clients[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    clients[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    keys = clients[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
    port = cluster.servers[target].port
    clients[source].execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
    # The keys are there, and the slot is not: that node is asked for this time only. While a slot moves, Redis answers
    # no question about several keys of which one does not exist.
    assert dict(store.rules()) == {"a": "3"}
    with pytest.raises(StateError, match="TryAgain"):
        store.read(["nobody"])
    for number in (target, source):
        clients[number].execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
