"""What is known of a session, as plain JSON values: for its status, its metrics and its doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vigilo.notebook.ledger import WEEK_S, week_began_s
from vigilo.notebook.limits import Limit, idle_limit, quota_limit

if TYPE_CHECKING:
    from vigilo.notebook.session import Session


def told(session: Session) -> dict[str, Any]:
    """As :meth:`vigilo.notebook.session.Session.status` describes it."""
    observed, cells = session.observed, session.cells
    limit, idle = session.limit(), idle_limit(session.platform, session.settings)
    cell_s = cells.cell_s()
    drive, accelerator, restart = observed.drive, observed.accelerator, session.last_restart
    return {
        "platform": asdict(session.platform),
        "session": {
            "uptime_s": session.clock.uptime_s(),
            "limit_s": limit.value,
            "remaining_s": session.remaining_s(),
            "source": limit.source,
            "since": session.clock.since,
        },
        "idle": {
            "busy": cell_s is not None,
            "idle_s": cells.idle_s(),
            "limit_s": idle.value,
            "source": idle.source,
            "cells": cells.cells,
            "failed_cells": cells.failed_cells,
            "cell_s": cell_s,
        },
        "quota": quotas(session),
        "storage": [
            {
                "area": area.area,
                "path": str(area.path),
                "used_bytes": area.used_bytes,
                "limit_bytes": area.limit.value,
                "source": area.limit.source,
            }
            for area in observed.areas
        ],
        "drive": {
            "state": drive.state,
            "mounted": drive.mounted,
            "path": None if drive.path is None else str(drive.path),
            "last_timeout": drive.last_timeout,
        },
        "internet": {"up": observed.internet},
        "accelerator": {
            "type": accelerator.type,
            "devices": accelerator.names,
            "changes": session.changes,
            "previous": session.previous_devices,
        },
        "restarts": {"count": session.restarts, "last": None if restart is None else asdict(restart)},
        "warnings": [dict(entry) for entry in session.alerts.told.copy()],
    }


def quotas(session: Session) -> list[dict[str, Any]]:
    """The accelerators' hours of this week: Kaggle's own count where it told one, else ours."""
    settings, observed = session.settings, session.observed
    if observed.quotas:
        return [
            _quota(
                one.accelerator,
                one.used_s,
                Limit(settings.accelerator_quota_s, "setting")
                if settings.accelerator_quota_s > 0
                else Limit(one.limit_s, "api"),
                "api",
                one.resets_at_s,
            )
            for one in observed.quotas
        ]
    kept, current = observed.kept, observed.accelerator.type
    if kept is None or not (session.platform.managed or settings.accelerator_quota_s > 0):
        return []
    now_s = session.place.wall_s()
    week_s = now_s - week_began_s(now_s)
    used = dict(kept.others_s) if now_s - kept.at_s < week_s else {}
    for accelerator, own_s in kept.own_s.items() if now_s - kept.at_s < week_s else ():
        if accelerator != current:  # that one runs, and is counted by the clock
            used[accelerator] = used.get(accelerator, 0.0) + own_s
    if current != "none":
        used[current] = used.get(current, 0.0) + min(session.clock.uptime_s(), week_s)
    return [
        _quota(
            accelerator,
            used_s,
            quota_limit(session.platform, accelerator, settings),
            "ledger",
            week_began_s(now_s) + WEEK_S,
        )
        for accelerator, used_s in sorted(used.items())
    ]


def _quota(accelerator: str, used_s: float, limit: Limit, source: str, resets_at_s: float | None) -> dict[str, Any]:
    return {
        "accelerator": accelerator,
        "used_s": used_s,
        "limit_s": limit.value,
        "remaining_s": None if limit.value is None else max(0.0, limit.value - used_s),
        "source": source,
        "limit_source": limit.source,
        "resets_at_s": resets_at_s,
    }
