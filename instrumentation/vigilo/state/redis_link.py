"""Answers of a Redis within a bound: its connections, and in a cluster the node that has the keys.

All keys of a script have one hash tag, so one node answers at a time and redis-py's client of clusters, which asks
around with locks and pauses of its own, is not needed. There is no lock here: a call takes a connection out of the idle
ones or opens one, so that a finalizer may ask in the middle of another question of its thread.
"""

from __future__ import annotations

import _thread
import os
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vigilo.errors import MissingExtraError
from vigilo.state.redis_script import Script, packed
from vigilo.state.redis_url import connection_options
from vigilo.state.store import StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECT_S: Final = 2.0
"""How long a connection is tried, beside the calls: they wait for the link's bound and may find it open later."""
LOOK_AFTER_S: Final = 1.0
"""A connection that was idle for longer is looked at before it is used: the server may have closed it."""
MAX_IDLE: Final = 64
MAX_REDIRECTS: Final = 4


class _Node(NamedTuple):
    host: str
    port: int


class _Idle:
    """Connections to one place that nobody uses now, each with the time of its last answer."""

    def __init__(self, node: _Node | None) -> None:
        self.node = node
        self.pid = os.getpid()
        self.connections: deque[tuple[Any, float]] = deque()

    def close(self) -> None:
        while self.connections:
            self.connections.pop()[0].disconnect()


class Link:
    """Connections to a Redis, or to the node of a cluster that has the keys of one hash tag.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; never shown, as there may be a password in it.
        tag: the hash tag, for a cluster.
        timeout_s: bound of each answer, and of waiting for a connection.

    Raises:
        ConfigError: the URL is wrong.
        MissingExtraError: redis-py is not installed.
    """

    def __init__(self, url: str, tag: str, timeout_s: float) -> None:
        try:
            import redis.connection
            import redis.crc
        except ImportError:
            raise MissingExtraError("shared state in Redis", "redis") from None
        self._errors = redis.exceptions
        self._timeout_s = timeout_s
        self._slot = redis.crc.key_slot(f"{{{tag}}}".encode())
        self._class, self._options = connection_options(url, redis.connection)
        self._options.update(socket_timeout=timeout_s, socket_connect_timeout=CONNECT_S)
        self._secrets = [word for name in ("password", "username") if (word := self._options.get(name))]
        self._in_cluster: bool | None = None
        self._nodes: tuple[_Node, ...] = ()
        """Others of the cluster, to ask where the one that had the keys is gone."""
        self._idle = _Idle(None)

    def run(self, script: Script, keys: Sequence[str | bytes], args: Sequence[str | bytes]) -> Any:
        """The script's answer.

        It is sent again after a connection broke, so that the script may run twice; after a time-out it is not.

        Raises:
            StateError: there is no answer in time, or it is an error.
        """
        errors = self._errors
        broken = False
        asked_at: _Node | None = None  # where the keys are for this time only, while they move
        for _ in range(MAX_REDIRECTS):
            idle = self._own_idle()
            try:
                connection = self._take(idle) if asked_at is None else self._opened(asked_at)
                try:
                    answer = self._ask(connection, script, keys, args, asking=asked_at is not None)
                except errors.ResponseError:
                    self._give(idle, connection, asked_at)  # an error is an answer too
                    raise
                except BaseException:
                    connection.disconnect()
                    raise
                self._give(idle, connection, asked_at)
                return answer
            except errors.MovedError as error:
                self._move(idle, _Node(error.host or self._host(idle), error.port))
                asked_at = None
            except errors.AskError as error:
                asked_at = _Node(error.host or self._host(idle), error.port)
            except errors.ReadOnlyError as error:
                self._move(idle, None)  # a replica by now: whoever the URL leads to next may be the primary
                raise self._failed(error) from None
            except errors.ConnectionError as error:
                idle.close()  # what the server closed, it has most likely closed for all
                if broken or isinstance(error, errors.AuthenticationError):
                    self._go_elsewhere(idle)
                    raise self._failed(error) from None
                broken, asked_at = True, None
            except (errors.RedisError, OSError, ValueError) as error:
                if isinstance(error, errors.TimeoutError):
                    self._go_elsewhere(idle)
                raise self._failed(error) from None
        raise StateError("Redis' nodes send from one to the other")

    def close(self) -> None:
        """Closes the connections that are idle."""
        self._own_idle().close()

    def _ask(
        self, connection: Any, script: Script, keys: Sequence[str | bytes], args: Sequence[str | bytes], *, asking: bool
    ) -> Any:
        if asking:
            connection.send_command("ASKING")
            connection.read_response()
        connection.send_packed_command([packed(script.sha_head, keys, args)])
        try:
            return connection.read_response()
        except self._errors.NoScriptError:
            pass
        if asking:
            connection.send_command("ASKING")
            connection.read_response()
        connection.send_packed_command([packed(script.text_head, keys, args)])
        return connection.read_response()

    # Connections

    def _own_idle(self) -> _Idle:
        idle = self._idle
        if idle.pid != os.getpid():
            # Forked: the sockets are the parent's, and closing the copies here closes nothing there.
            idle = self._idle = _Idle(idle.node)
        return idle

    def _take(self, idle: _Idle) -> Any:
        while idle.connections:
            try:
                connection, used_at = idle.connections.pop()
            except IndexError:
                break
            if monotonic() - used_at < LOOK_AFTER_S or _is_quiet(connection):
                return connection
            connection.disconnect()
        return self._opened(idle.node, idle)

    def _give(self, idle: _Idle, connection: Any, asked_at: _Node | None = None) -> None:
        if asked_at is None and idle is self._idle and len(idle.connections) < MAX_IDLE:
            idle.connections.append((connection, monotonic()))
        else:
            connection.disconnect()

    def _move(self, idle: _Idle, node: _Node | None) -> None:
        if idle is self._idle:
            self._idle = _Idle(node)
        idle.close()

    def _go_elsewhere(self, idle: _Idle) -> None:
        """The next question goes to the next node of a cluster that there is, or to the URL's."""
        if not self._in_cluster:
            return
        places: list[_Node | None] = [None, *self._nodes]
        at = places.index(idle.node) if idle.node in places else 0
        self._move(idle, places[(at + 1) % len(places)])

    def _host(self, idle: _Idle) -> str:
        return idle.node.host if idle.node is not None else str(self._options.get("host", "localhost"))

    def _opened(self, node: _Node | None, idle: _Idle | None = None) -> Any:
        """A new connection, waited for within the bound.

        It is made in a thread: nothing else bounds the look-up of a name. One that comes too late waits in ``idle`` for
        the next call; without, it is one for this call, to just this node.
        """
        opened: list[Any] = []
        claim = [None]  # whoever pops it decides where the connection goes
        done = _thread.allocate_lock()
        done.acquire()

        def open_it() -> None:
            connection: Any = None
            try:
                connection = self._connected(node) if idle is None else self._connect(node)
            except BaseException as error:  # noqa: BLE001 - raised by who waits for it
                opened.append(error)
            else:
                opened.append(connection)
            try:
                claim.pop()
            except IndexError:
                if connection is not None and idle is not None:
                    self._give(idle, connection)
            finally:
                done.release()

        try:
            _thread.start_new_thread(open_it, ())
        except RuntimeError:
            raise StateError("no connection to Redis is opened any more: the interpreter is shutting down") from None
        if not done.acquire(timeout=self._timeout_s):
            try:
                claim.pop()
            except IndexError:
                done.acquire()  # it is there in this very moment
            else:
                raise self._errors.TimeoutError("no connection in time")
        if isinstance(opened[0], BaseException):
            raise opened[0]
        return opened[0]

    def _connect(self, node: _Node | None) -> Any:
        connection = self._connected(node)
        if self._in_cluster is False:
            return connection
        try:
            owner = self._find_owner(connection)
        except self._errors.ResponseError as error:
            self._in_cluster = False if "cluster support disabled" in str(error) else None
            return connection
        if owner is None or owner == node:
            return connection
        connection.disconnect()
        return self._connected(owner)

    def _connected(self, node: _Node | None) -> Any:
        where = {} if node is None else {"host": node.host, "port": node.port}
        connection = self._class(**{**self._options, **where})
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _find_owner(self, connection: Any) -> _Node | None:
        """The node of the cluster that has the keys; notes the others."""
        connection.send_command("CLUSTER", "SLOTS")
        ranges = connection.read_response()
        self._in_cluster = True
        owner, nodes = None, []
        for first, last, *owners in ranges:
            found = [_Node(_text(host) or connection.host, port) for host, port, *_ in owners if _text(host) != "?"]
            nodes += found
            if found and first <= self._slot <= last:
                owner = found[0]
        self._nodes = tuple(dict.fromkeys(nodes))
        return owner

    def _failed(self, error: BaseException) -> StateError:
        said = str(error)
        for secret in self._secrets:
            said = said.replace(str(secret), "...")
        return StateError(f"Redis: {type(error).__name__}: {said}")


def _is_quiet(connection: Any) -> bool:
    """Whether nothing came since the last answer, not even the end."""
    try:
        return not connection.can_read(0)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not used again
        return False


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
