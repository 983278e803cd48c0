"""Spans of calls, as rows of otel_traces."""

from __future__ import annotations

import pytest


@pytest.fixture
def llm_span():
    """A row for a call; keyword arguments are columns, ``attributes`` overrides span attributes."""

    def span(attributes=None, **columns):
        names = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
        return {
            "Timestamp": "2026-11-20 10:00:00.000000001",
            "TraceId": "0af7651916cd43dd8448eb211c80319c",
            "SpanId": "b7ad6b7169203331",
            "SpanName": "chat gpt-5",
            "ServiceName": "shop",
            "SpanAttributes": {**names, **(attributes or {})},
            "Duration": 1_500_000_000,
            "StatusCode": "Unset",
            **columns,
        }

    return span
