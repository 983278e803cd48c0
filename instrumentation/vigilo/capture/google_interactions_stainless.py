"""The hook of the Interactions API in google-genai 1.55 to 2.8, whose client was made by Stainless."""

from __future__ import annotations

from vigilo.capture.google_clients import GoogleSubscriptions
from vigilo.capture.parse.google_interactions import endpoint_of
from vigilo.capture.stainless import StainlessHook


class GoogleStainlessInteractionsHook(StainlessHook):
    """Sees every new interaction; what ran in the background is not counted when it is fetched."""

    def __init__(self) -> None:
        super().__init__("google.genai._interactions", endpoint_of, provider="gcp.gemini")
        self.subscriptions = self._clients = GoogleSubscriptions()

    def key_of(self, client: object) -> object | None:
        return self._clients.key_of(client)
