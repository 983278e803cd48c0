"""A process that shares state with others: ``python worker.py <what> <place>``; begins when it is told on stdin."""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]  # beside this file, which is no package here

BUDGET = 100
CALL_S = 0.02


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def spend(place: str, sleep=time.sleep) -> int:
    """Makes calls until one is refused; returns how many were admitted."""
    from places import open_place

    return spend_from(open_place(place), sleep)


def spend_from(store, sleep=time.sleep) -> int:
    from vigilo.state.store import Need, Refused

    needs = [Need("requests", 1, BUDGET, 1), Need("tokens", 50, None)]
    admitted = 0
    while True:
        hold_id = uuid.uuid4().hex
        if isinstance(store.reserve(hold_id, needs, hold_s=60.0), Refused):
            return admitted
        sleep(CALL_S)
        store.settle(hold_id, needs, [1, 7])
        admitted += 1


def spend_unguarded(place: str) -> int:
    """As most would do it: look, and count afterwards."""
    from places import open_place

    from vigilo.state.store import Need

    store, admitted = open_place(place), 0
    while store.read(["requests"])[0].used < BUDGET:
        time.sleep(CALL_S)
        store.settle(uuid.uuid4().hex, [Need("requests", 1)], [1])
        admitted += 1
    return admitted


def spend_in_greenlets(place: str) -> int:
    import gevent
    from places import open_place

    store = open_place(place)
    greenlets = [gevent.spawn(spend_from, store, gevent.sleep) for _ in range(20)]
    gevent.joinall(greenlets)
    return sum(greenlet.get() for greenlet in greenlets)


def hold(place: str, hold_s: float) -> None:
    """Holds all and stays in the call."""
    from places import open_place

    from vigilo.state.store import Need

    store = open_place(place)
    store.reserve("held", [Need("requests", BUDGET, BUDGET, 3)], hold_s=hold_s)
    say("held")
    time.sleep(3600)


def fork(place: str) -> None:
    """Forks with the state open; both go on, and a call of the parent is none of the child's."""
    from places import open_place

    from vigilo.state.store import Need

    store, needs = open_place(place), [Need("requests", 1, BUDGET, 1)]
    store.reserve("parent", needs, hold_s=60.0)
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            for call in range(5):
                store.reserve(f"child-{number}-{call}", needs, hold_s=60.0)
                store.settle(f"child-{number}-{call}", needs, [1])
            sys.exit(0)  # with everything that happens at a process' end
        children.append(child)
        store.reserve(f"parent-{number}", needs, hold_s=60.0)
        store.settle(f"parent-{number}", needs, [1])
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    store.settle("parent", needs, [1])
    say(len(failed))


def settle_at_exit(place: str) -> None:
    """Leaves a call to what runs when the interpreter ends."""
    import atexit
    import weakref

    from places import open_place

    from vigilo.state.store import Need

    needs = [Need("requests", 1, BUDGET)]

    class Stream:
        pass

    stream = Stream()
    # Registered before the store is, so it runs when the store was closed.
    atexit.register(lambda: store.settle("atexit", needs, [1]))
    store = open_place(place)
    globals()["kept"] = stream
    stream.itself = stream  # type: ignore[attr-defined] - a cycle, found by the last collection
    weakref.finalize(stream, lambda: store.settle("finalized", needs, [1])).atexit = False
    for hold_id in ("atexit", "finalized"):
        store.reserve(hold_id, needs, hold_s=60.0)


def main() -> None:
    what, place, *more = sys.argv[1:]
    if what == "greenlets":
        from gevent import monkey

        monkey.patch_all()
    say("ready")
    sys.stdin.readline()
    if what == "spend":
        say(spend(place))
    elif what == "unguarded":
        say(spend_unguarded(place))
    elif what == "greenlets":
        say(spend_in_greenlets(place))
    elif what == "hold":
        hold(place, float(more[0]))
    elif what == "fork":
        fork(place)
    elif what == "exit":
        settle_at_exit(place)


if __name__ == "__main__":
    main()
