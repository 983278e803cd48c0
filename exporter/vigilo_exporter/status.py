"""What ``GET /status`` of ``vigilo serve`` tells of the machine that it runs on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vigilo.settings import Settings


def status(settings: Settings) -> dict[str, Any]:
    """``{"version", "platform": {"name", "variant", "source"}}``; name: colab, kaggle or local.

    Nothing is asked over the network, and no value of a variable is told.
    """
    import vigilo
    from vigilo.notebook.place import Place
    from vigilo.notebook.platform import platform_of

    return {"version": vigilo.__version__, "platform": asdict(platform_of(Place.here(), settings))}
