"""What a notebook is told of its state, in words: one line when the extension is loaded, a line for each fact after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLATFORM_NAMES = {"colab": "Colab", "kaggle": "Kaggle", "local": "this machine"}
_NOT_SURE = {"documented": "at most ", "reported": "about "}
_BAR = 20
_TASKS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the status.

    Attributes:
        label: what it is about.
        text: what there is to say.
        share: 0 to 1, of what is used or done; None for a fact without a limit.
        level: ``""``, or ``watch``, ``warn``, ``critical``.
    """

    label: str
    text: str
    share: float | None = None
    level: str = ""


def status_line(known: Mapping[str, Any]) -> str:
    """One line: where we are, what may be used, and how to ask for more.

    Args:
        known: as :func:`vigilo.notebook.overview.overview` has it.
    """
    session = known.get("session") or {}
    parts = [f"vigilo on {_platform(session)}"]
    names = [name for name in (session.get("accelerator") or {}).get("devices") or () if name]
    parts += [", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))] if names else []
    if (text := _session(session.get("session") or {})) is not None:
        parts.append(f"session: {text}")
    parts += [f"{_quota_name(quota)}: {_quota(quota)}" for quota in session.get("quota") or ()]
    last = (session.get("restarts") or {}).get("last")
    if last and last.get("kind") == "kernel":
        why = " as memory ran out" if last.get("memory_ran_out") else ""
        parts.append(f"the kernel was restarted{why}: `vigilo.checkpoint.resume()` loads what was saved")
    parts.append("`%vigilo status` shows more")
    return " · ".join(parts)


def status_text(known: Mapping[str, Any]) -> str:
    """All facts as plain text, a line each."""
    found = facts(known)
    width = max((len(fact.label) for fact in found), default=0)
    return "\n".join(f"{fact.label:<{width}}  {_bar(fact.share)}{_marked(fact)}" for fact in found)


def facts(known: Mapping[str, Any], now_s: float | None = None) -> list[Fact]:
    """All there is to say, what matters most first.

    Args:
        known: as :func:`vigilo.notebook.overview.overview` has it.
        now_s: seconds since 1970; now by default.
    """
    now_s = time.time() if now_s is None else now_s
    session = known.get("session") or {}
    return [
        *_forecasts(known),
        *_warnings(session),
        *_place(session),
        *_memory(known),
        *_storage(session),
        *_tasks(known),
        *_checkpoint(known, now_s),
    ]


def _forecasts(known: Mapping[str, Any]) -> Iterator[Fact]:
    for memory in known.get("forecasts") or ():
        left_s = memory["time_to_exhaustion_s"]
        when = f"is full in about {duration(left_s)}" if left_s is not None else "is nearly full"
        yield Fact("warning", f"the {memory['name']} {when}", level=memory["level"])


def _warnings(session: Mapping[str, Any]) -> Iterator[Fact]:
    latest = {warning["kind"]: warning for warning in session.get("warnings") or ()}
    for warning in latest.values():
        yield Fact("warning", str(warning["message"]), level=warning["level"])


def _place(session: Mapping[str, Any]) -> Iterator[Fact]:
    yield Fact("platform", _platform(session))
    limits = session.get("session") or {}
    if (text := _session(limits)) is not None:
        limit_s = limits.get("limit_s")
        text += f" ({limits['source']})" if limit_s else ""
        yield Fact("session", text, limits["uptime_s"] / limit_s if limit_s else None)
    idle = session.get("idle") or {}
    if idle.get("busy"):
        yield Fact("cell", f"running for {duration(idle.get('cell_s') or 0.0)}")
    for quota in session.get("quota") or ():
        limit_s = quota.get("limit_s")
        sources = ", ".join(dict.fromkeys(str(quota[name]) for name in ("source", "limit_source") if quota.get(name)))
        text = f"{_quota(quota)} ({sources})"
        yield Fact(_quota_name(quota), text, (quota.get("used_s") or 0.0) / limit_s if limit_s else None)
    drive = (session.get("drive") or {}).get("state", "absent")
    if drive != "absent":
        yield Fact("Drive", drive, level="" if drive == "mounted" else "warn")
    if (session.get("internet") or {}).get("up") is False:
        yield Fact("internet", "cannot be reached", level="watch")
    if restarts := (session.get("restarts") or {}).get("count"):
        yield Fact("restarts", f"{restarts} of the kernel on this machine")


def _memory(known: Mapping[str, Any]) -> Iterator[Fact]:
    for device in known.get("devices") or ():
        label = device.get("name") or "GPU"
        used, limit = device.get("memory_used_bytes"), device.get("memory_limit_bytes")
        busy = device.get("utilization")
        text = f"{size(used)} of {size(limit)}" if used is not None and limit else "memory not told"
        text += f", {busy:.0%} busy" if busy is not None else ""
        failed = device.get("state") not in (None, "ok")
        if failed:
            text = f"{device['state']}, {text}"
        yield Fact(label, text, used / limit if used is not None and limit else None, "critical" if failed else "")
    host = known.get("host") or {}
    if host.get("memory_limit_bytes"):
        used, limit = host["memory_used_bytes"], host["memory_limit_bytes"]
        yield Fact("memory", f"{size(used)} of {size(limit)}", used / limit)


def _storage(session: Mapping[str, Any]) -> Iterator[Fact]:
    for area in session.get("storage") or ():
        used, limit = area.get("used_bytes"), area.get("limit_bytes")
        if used is None:
            continue
        label = {"ephemeral": "disk", "drive": "Drive's disk"}.get(area["area"], area["area"])
        text = f"{size(used)} of {size(limit)}" if limit else size(used)
        yield Fact(label, text, used / limit if limit else None)


def _tasks(known: Mapping[str, Any]) -> Iterator[Fact]:
    for task in (known.get("tasks") or ())[-_TASKS_SHOWN:]:
        done, total = task["done"], task["total"]
        text = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
        if task["state"] != "running":
            text += f", {task['state']} after {duration(task['elapsed_s'])}"
        elif task["remaining_s"] is not None:
            text += f", {duration(task['remaining_s'])} left"
        share = min(1.0, done / total) if total else None
        yield Fact(task["name"], text, share, "warn" if task["state"] == "failed" else "")


def _checkpoint(known: Mapping[str, Any], now_s: float) -> Iterator[Fact]:
    status = known.get("checkpoint")
    if not status or not status.get("registered"):
        return
    last = status.get("last")
    if not last:
        yield Fact("checkpoint", "none yet", level="watch")
        return
    age = duration(max(0.0, now_s - last["created_unix_s"]))
    yield Fact("checkpoint", f"step {last['step']:,}, {age} ago ({last['reason']}), {size(last['size_bytes'])}")


def _platform(session: Mapping[str, Any]) -> str:
    platform = session.get("platform") or {}
    name = PLATFORM_NAMES.get(platform.get("name", ""), "this machine")
    return f"{name} ({platform['variant'].replace('_', ' ')})" if platform.get("variant") else name


def _session(limits: Mapping[str, Any]) -> str | None:
    uptime_s, limit_s, remaining_s = (limits.get(name) for name in ("uptime_s", "limit_s", "remaining_s"))
    if uptime_s is None:
        return None
    if not limit_s or remaining_s is None:
        return f"{duration(uptime_s)} old"
    return f"{duration(remaining_s)} left of {_NOT_SURE.get(limits.get('source', ''), '')}{duration(limit_s)}"


def _quota_name(quota: Mapping[str, Any]) -> str:
    return f"{str(quota.get('accelerator') or 'accelerator').upper()} quota"


def _quota(quota: Mapping[str, Any]) -> str:
    if not quota.get("limit_s"):
        return f"{duration(quota.get('used_s') or 0.0)} used this week"
    about = _NOT_SURE.get(quota.get("limit_source", ""), "")
    return f"{duration(quota.get('remaining_s') or 0.0)} left of {about}{duration(quota['limit_s'])} a week"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min``, ``1 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(count: float | None) -> str:
    """``512 B``, ``3.4 MiB``, ``15.0 GiB``."""
    number = float(count or 0)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit in ("B", "KiB") else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    full = round(min(1.0, max(0.0, share)) * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] "


def _marked(fact: Fact) -> str:
    return f"{fact.text} ({fact.level})" if fact.level else fact.text
