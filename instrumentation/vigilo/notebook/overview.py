"""What is known now of the session, its memory, tasks and checkpoints: for the status line, the card and the doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vigilo.errors import internal_errors
from vigilo.loaded import loaded

if TYPE_CHECKING:
    from vigilo.notebook.session import Session


def overview(session: Session, wait_s: float = 0.0) -> dict[str, Any]:
    """All of it in plain JSON values. Never raises; a part that fails is absent.

    Args:
        session: of the notebook.
        wait_s: seconds to wait at the most for what is being looked at, such as the internet.

    Returns:
        ``session``: as :meth:`Session.status` has it. ``devices``: a list of ``{"id", "name", "state",
        "memory_used_bytes", "memory_limit_bytes", "utilization"}``. ``host``: ``{"memory_used_bytes",
        "memory_limit_bytes"}``. ``forecasts``: a list of ``{"name", "level", "time_to_exhaustion_s", "confidence"}`` of
        the memories that may run out. ``tasks``: those of :func:`vigilo.notebook.tasks.tasks`. ``checkpoint``: as
        :func:`vigilo.checkpoint.status` has it.
    """
    found: dict[str, Any] = {}
    with internal_errors("reading the session"):
        found["session"] = session.status(wait_s)
    with internal_errors("reading GPUs for the status"):
        found["devices"] = _devices()
    with internal_errors("reading memory for the status"):
        found["host"] = _host(session)
    with internal_errors("reading forecasts of memory for the status"):
        found["forecasts"] = _forecasts()
    with internal_errors("reading tasks for the status"):
        from vigilo.notebook.tasks import tasks

        found["tasks"] = [asdict(one) for one in tasks()]
    with internal_errors("reading checkpoints for the status"):
        if (checkpoint := loaded("vigilo.checkpoint")) is not None:
            found["checkpoint"] = checkpoint.status()
    return found


def _devices() -> list[dict[str, Any]]:
    from vigilo import semconv
    from vigilo.gauges.snapshot import shared_snapshot

    return [
        {
            "id": device.id,
            "name": device.attributes.get(semconv.HW_NAME, ""),
            "state": device.state,
            "memory_used_bytes": device.memory_used_bytes,
            "memory_limit_bytes": device.memory_limit_bytes,
            "utilization": device.utilization,
        }
        for device in shared_snapshot().devices()
    ]


def _host(session: Session) -> dict[str, int]:
    from vigilo.gauges.cgroup import limits
    from vigilo.gauges.host_memory import host_memory

    memory = host_memory(session.place, limits(session.place))
    if memory is None:
        return {}
    used_bytes = memory.limit_bytes - memory.available_bytes
    return {"memory_used_bytes": used_bytes, "memory_limit_bytes": memory.limit_bytes}


def _forecasts() -> list[dict[str, Any]]:
    module = loaded("vigilo.gauges.memory_watch")
    watch = module.current_watch() if module is not None else None
    return [
        {
            "name": memory.name,
            "level": memory.outlook.level,
            "time_to_exhaustion_s": memory.outlook.time_to_exhaustion_s,
            "confidence": memory.outlook.confidence,
        }
        for memory in (watch.memories() if watch is not None else ())
        if memory.outlook.level
    ]
