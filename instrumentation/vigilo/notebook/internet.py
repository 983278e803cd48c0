"""Whether the machine reaches the internet: only asked on Colab and Kaggle, where it is a switch of the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vigilo.notebook.place import Place

HOSTS = ("www.google.com", "www.kaggle.com")
PORT = 443
PATIENCE_S = 2.0


def internet_up(place: Place) -> bool:
    """Looks up and connects to one host, then the other; sends nothing. May take seconds."""
    for host in HOSTS:
        try:
            place.connect(host, PORT, PATIENCE_S)
        except OSError:
            continue
        return True
    return False
