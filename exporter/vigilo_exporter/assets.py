"""Finds the files that vigilo ships beside its code: dashboards, the Collector's configuration, examples."""

from __future__ import annotations

from pathlib import Path

from vigilo.errors import VigiloError

_PACKAGE = Path(__file__).resolve().parent
ASSET_ROOTS = (
    _PACKAGE / "_assets",  # an installed wheel
    _PACKAGE.parents[1],  # a checkout, also when installed as editable
)


def asset(*parts: str) -> Path:
    """Path of a shipped file or folder: ``asset("dashboards", "overview.json")``.

    Args:
        parts: the path below the root, beginning with ``dashboards``, ``collector-config`` or ``examples``.

    Raises:
        VigiloError: there is no such file; says where it was looked for.
    """
    candidates = [root.joinpath(*parts) for root in ASSET_ROOTS]
    for path in candidates:
        if path.exists():
            return path
    looked = " and ".join(str(path) for path in candidates)
    raise VigiloError(f"{'/'.join(parts)} is not part of this installation (looked at {looked}); reinstall vigilo-otel")
