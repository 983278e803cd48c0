"""Colab, Kaggle or neither.

Kaggle is asked first: its images are built from Colab's, so ``COLAB_RELEASE_TAG`` is set there and ``google.colab`` can
be imported (github.com/Kaggle/docker-python, Dockerfile.tmpl). The other way round, a folder ``/kaggle`` proves
nothing: kagglehub mounts data sets there on Colab too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vigilo.notebook.place import Place
    from vigilo.settings import Settings

COLAB_RUNTIME = "TBE_RUNTIME_ADDR"
"""Set on the machines that Colab manages, and not by the image alone."""
COLAB_HOST_FILE = "/var/colab/hostname"


@dataclass(frozen=True)
class Platform:
    """Where the app runs.

    Attributes:
        name: ``colab``, ``kaggle`` or ``local``.
        variant: of Colab ``enterprise`` or ``local_runtime`` (its image or its page on a machine of one's own); of
            Kaggle ``interactive`` or ``batch``; of local ``jupyterhub``; else empty.
        source: what told it: ``setting``, or the name of a variable or file, or ``default``.
    """

    name: str
    variant: str = ""
    source: str = "default"

    @property
    def managed(self) -> bool:
        """Whether somebody else gives the machine, and takes it away."""
        return self.name != "local" and self.variant != "local_runtime"


def platform_of(place: Place, settings: Settings) -> Platform:
    """Finds it out from variables, files and the shell; nothing is imported and nobody is asked over the network."""
    environ = place.environ
    if settings.platform != "auto":
        return Platform(settings.platform, _variant(settings.platform, environ), "setting")
    for variable in ("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_URL_BASE"):
        if environ.get(variable):
            return Platform("kaggle", _variant("kaggle", environ), variable)
    if environ.get("VERTEX_PRODUCT") == "COLAB_ENTERPRISE":
        return Platform("colab", "enterprise", "VERTEX_PRODUCT")
    if environ.get(COLAB_RUNTIME):
        return Platform("colab", "", COLAB_RUNTIME)
    if place.path(COLAB_HOST_FILE).exists():
        return Platform("colab", "", COLAB_HOST_FILE)
    if environ.get("COLAB_RELEASE_TAG"):
        return Platform("colab", "local_runtime", "COLAB_RELEASE_TAG")
    if "google.colab" in _shell():
        return Platform("colab", "", "shell")
    return Platform("local", _variant("local", environ), "default")


def _variant(name: str, environ: Mapping[str, str]) -> str:
    if name == "kaggle":
        return "batch" if environ.get("KAGGLE_KERNEL_RUN_TYPE", "").lower() == "batch" else "interactive"
    if name == "colab":
        return "enterprise" if environ.get("VERTEX_PRODUCT") == "COLAB_ENTERPRISE" else ""
    return "jupyterhub" if environ.get("JUPYTERHUB_API_URL") else ""


def _shell() -> str:
    """Class of the running IPython shell, with its module; empty without one."""
    interactive = sys.modules.get("IPython.core.interactiveshell")
    shell = getattr(getattr(interactive, "InteractiveShell", None), "_instance", None)
    return f"{type(shell).__module__}.{type(shell).__qualname__}" if shell is not None else ""
