"""Calls as rows of otel_traces, dated from now."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest


@pytest.fixture
def call():
    """A row for a call that began ``minutes_ago`` and took ``duration_ms``; keyword arguments are span attributes."""

    def row(model, user="", conversation="", minutes_ago=5, duration_ms=100, status="Unset", **attributes):
        began = datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)
        names = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "user.id": user,
            "gen_ai.conversation.id": conversation,
        }
        return {
            "Timestamp": began.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "TraceId": "0af7651916cd43dd8448eb211c80319c",
            "SpanId": "b7ad6b7169203331",
            "ServiceName": "shop",
            "SpanAttributes": {**names, **{key.replace("__", "."): value for key, value in attributes.items()}},
            "Duration": duration_ms * 1_000_000,
            "StatusCode": status,
        }

    return row
