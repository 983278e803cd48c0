"""From which point on something is about to run out. Pure: numbers in, a level and words out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigilo.notebook.alerts import Alert

if TYPE_CHECKING:
    from vigilo.notebook.drive import Drive
    from vigilo.notebook.heartbeat import Restart
    from vigilo.notebook.limits import Limit
    from vigilo.notebook.storage import Area

SESSION_LEADS_S = {"watch": 1800.0, "warn": 600.0, "critical": 180.0}
SAVES_AHEAD = {"watch": 9.0, "warn": 6.0, "critical": 3.0}
"""The same in times that the last checkpoint took: one that fails must have time to be made again."""
LEAST_SHARE = {"watch": 0.5, "warn": 0.2, "critical": 0.1}
"""Of a session's limit: a short one is not warned of from its begin on."""
IDLE_SHARES = {"watch": 1 / 3, "warn": 2 / 3, "critical": 8 / 9}
"""Of 90 minutes: 30, 60 and 80."""
QUOTA_LEADS_S = {"watch": 7200.0, "warn": 1800.0, "critical": 600.0}
OUTPUT_SHARES = {"watch": 0.8, "warn": 0.9, "critical": 0.975}
FREE_SHARES = {"watch": 0.25, "warn": 0.15, "critical": 0.05}
FREE_BYTES = {"watch": 20 * 10**9, "warn": 10 * 10**9, "critical": 3 * 10**9}
"""A disk is full when both are passed: a tenth of a large one is room enough."""
_NOT_SURE = {"documented": "at most ", "reported": "about ", "measured": "", "setting": "", "api": ""}


def session(remaining_s: float | None, limit: Limit, save_s: float = 0.0) -> Alert:
    """The end of the session; ``save_s`` is how long the last checkpoint took."""
    if remaining_s is None or limit.value is None:
        return Alert("session", "")
    leads = {
        level: max(min(lead_s, LEAST_SHARE[level] * limit.value), SAVES_AHEAD[level] * save_s)
        for level, lead_s in SESSION_LEADS_S.items()
    }
    level = _at_most(remaining_s, leads)
    lasts = f"{_NOT_SURE.get(limit.source, '')}{in_words(limit.value)}"
    if remaining_s <= 0:
        text = f"the session has lasted longer than the {lasts} that it may, and can end at any moment: save your work"
    else:
        text = f"the session ends in {in_words(remaining_s)} (it may last {lasts}): save your work"
    return Alert("session", level, text, save=True)


def idle(idle_s: float, limit: Limit) -> Alert:
    """No cell runs, and the platform may take the machine back."""
    if limit.value is None:
        return Alert("idle", "")
    level = _at_least(idle_s / limit.value, IDLE_SHARES)
    text = (
        f"no cell has run for {in_words(idle_s)}; after {_NOT_SURE.get(limit.source, '')}{in_words(limit.value)} the "
        "platform may end the session, and what is only in memory or on its disk is lost"
    )
    return Alert("idle", level, text, save=level in ("warn", "critical"))


def quota(accelerator: str, used_s: float, limit: Limit) -> Alert:
    """The accelerator's hours of the week."""
    if limit.value is None:
        return Alert("quota", "")
    level = _at_most(limit.value - used_s, QUOTA_LEADS_S)
    text = (
        f"{in_words(max(0.0, limit.value - used_s))} of {accelerator.upper()} are left this week, of "
        f"{_NOT_SURE.get(limit.source, '')}{in_words(limit.value)}: save your work"
    )
    return Alert("quota", level, text, save=level in ("warn", "critical"))


def storage(area: Area) -> Alert:
    """Room for files."""
    if area.area == "output":
        if not area.limit.value:
            return Alert("output", "")
        level = _at_least(area.used_bytes / area.limit.value, OUTPUT_SHARES)
        text = (
            f"{in_gb(area.used_bytes)} of the {in_gb(area.limit.value)} that are kept of a session's output are used "
            f"in {area.path}: delete what you do not need, or write it elsewhere"
        )
        return Alert("output", level, text, save=level in ("warn", "critical"))
    kind = "disk" if area.area == "ephemeral" else "drive_space"
    if area.free_bytes is None or not area.limit.value:
        return Alert(kind, "")
    bounds = {level: min(FREE_BYTES[level], share * area.limit.value) for level, share in FREE_SHARES.items()}
    level = _at_most(area.free_bytes, bounds)
    text = f"{in_gb(area.free_bytes)} of {in_gb(area.limit.value)} are free at {area.path}: delete what you do not need"
    return Alert(kind, level, text, save=kind == "disk" and level in ("warn", "critical"))


def drive(now: Drive, *, late: bool, was_mounted: bool) -> Alert:
    """Google Drive, when it was there and does not answer any more."""
    if now.state == "dead":
        return Alert("drive", "critical", f"Google Drive is not connected any more: {_REMOUNT}")
    if late:
        return Alert("drive", "warn", "Google Drive does not answer: what is written there now may be lost")
    if was_mounted and not now.mounted:
        return Alert("drive", "warn", f"Google Drive is not mounted any more: {_REMOUNT}")
    return Alert("drive", "")


_REMOUNT = "`drive.mount('/content/drive', force_remount=True)` mounts it again; until then nothing is saved there"


def internet(up: bool | None, *, was_up: bool) -> Alert:
    """The internet, on platforms where it is a switch of the notebook."""
    if up is not False:
        return Alert("internet", "")
    if was_up:
        return Alert("internet", "warn", "the internet cannot be reached any more: telemetry waits on disk")
    return Alert("internet", "watch", "the notebook has no internet: telemetry stays on disk, models must be there")


def accelerator_changed(before: list[str], now: list[str]) -> Alert:
    """Another accelerator than the last time."""
    text = (
        f"the accelerator was {_listed(before)} and is now {_listed(now)}: batch sizes and speed may not fit any more"
    )
    return Alert("accelerator", "warn", text)


def restarted(restart: Restart) -> Alert:
    """The kernel, or the machine, is not the one that it was."""
    if restart.kind == "machine":
        text = f"this is a new machine; the last sign of life of the last one is {in_words(restart.lost_s)} old"
        return Alert("restart", "watch", f"{text}. {_RESUME}")
    if restart.memory_ran_out:
        return Alert("restart", "warn", f"the kernel was killed, for the machine's memory ran out. {_RESUME}")
    if restart.expected:
        return Alert("restart", "watch", "the kernel was restarted")
    text = f"the kernel ended without a word, at most {in_words(restart.lost_s)} ago, and was restarted"
    return Alert("restart", "warn", f"{text}. {_RESUME}")


_RESUME = "`vigilo.checkpoint.resume()` loads the newest checkpoint"


def in_words(seconds: float) -> str:
    """``95`` -> ``1 min 35 s``; ``39600`` -> ``11 h``."""
    seconds = max(0, round(seconds))
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [(hours, "h"), (minutes, "min")] if hours else [(minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def in_gb(count: float) -> str:
    """``18.2e9`` -> ``18.2 GB``."""
    return f"{count / 1e9:.1f} GB"


def _listed(names: list[str]) -> str:
    return " and ".join(names) if names else "none"


def _at_most(value: float, bounds: dict[str, float]) -> str:
    """The highest level whose bound the value has fallen to."""
    reached = [level for level, bound in bounds.items() if value <= bound]
    return reached[-1] if reached else ""


def _at_least(value: float, bounds: dict[str, float]) -> str:
    reached = [level for level, bound in bounds.items() if value >= bound]
    return reached[-1] if reached else ""
