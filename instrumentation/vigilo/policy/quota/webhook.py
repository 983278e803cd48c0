"""Posts a message as JSON to a URL of the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from vigilo.policy.quota.outbox import UndeliverableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_S: Final = 5.0
"""For the connection, and for each answer on it."""
_TRY_AGAIN: Final = (408, 425, 429)


def webhook(url: str) -> Callable[[Mapping[str, Any]], None]:
    """A function that posts to ``url``.

    It raises UndeliverableError where the answer is not of the 200s. Redirects are not followed: who answers at the
    one address does not say to whom else the message may go.
    """

    def post(message: Mapping[str, Any]) -> None:
        # Loaded in the thread that posts: most apps have no webhook.
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

        from opentelemetry.instrumentation.utils import suppress_instrumentation

        class Stay(HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        body = json.dumps(message).encode()
        request = Request(  # noqa: S310 - the scheme was looked at where the setting was read
            url, body, {"Content-Type": "application/json", "User-Agent": "vigilo"}, method="POST"
        )
        # What goes out unencrypted goes to this machine, and past any proxy.
        handlers = [Stay(), *([ProxyHandler({})] if url.startswith("http:") else [])]
        try:
            with suppress_instrumentation(), build_opener(*handlers).open(request, timeout=TIMEOUT_S):
                return
        except HTTPError as error:
            error.close()
            again = error.code >= 500 or error.code in _TRY_AGAIN
            raise UndeliverableError(f"it answered {error.code}", again=again) from None
        except (OSError, HTTPException) as error:
            # Its message may repeat the address.
            reason = getattr(error, "reason", error)
            raise UndeliverableError(f"no answer: {type(reason).__qualname__}", again=True) from None

    return post
