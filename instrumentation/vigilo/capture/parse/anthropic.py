"""The endpoints of Anthropic's API by path, for its own clients and for those of the platforms that sell it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo.capture.parse.anthropic_batches import BATCH, results
from vigilo.capture.parse.anthropic_messages import COUNT_TOKENS, MESSAGES

if TYPE_CHECKING:
    from vigilo.capture.parse.endpoint import Endpoint

_ENDPOINTS: dict[str, Endpoint] = {
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT_TOKENS,
    "/v1/messages/batches": BATCH,
}
_RESULTS = re.compile(r"/v1/messages/batches/([^/]+)/results$")


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The endpoint of a request; None for listing, polling and what else is no call to a model.

    The results of a batch are asked for at the address that the batch names, with its host.
    """
    if method == "POST":
        return _ENDPOINTS.get(path)
    found = _RESULTS.search(path)
    return results(found[1]) if found and method == "GET" else None
