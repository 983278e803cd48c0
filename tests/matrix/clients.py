"""The clients of the matrix, by name: each with its async half, pointed at the local provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import openai
from google import genai
from google.oauth2.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from vigilo.testing import ProviderServer
    from vigilo.testing.google_live import LiveServer
    from vigilo.testing.realtime import RealtimeServer


@dataclass(frozen=True)
class Servers:
    """The local provider, and its websockets of OpenAI and of Google."""

    http: ProviderServer
    realtime: RealtimeServer
    live: LiveServer


Pair = tuple[Any, Any]
"""A sync client and an async one; google-genai's async half is the same client's ``aio``."""


def _openai(servers: Servers) -> Pair:
    options = {
        "base_url": servers.http.openai_url,
        "websocket_base_url": servers.realtime.websocket_url,
        "api_key": "any",
    }
    return openai.OpenAI(**options), openai.AsyncOpenAI(**options)


def _azure(servers: Servers) -> Pair:
    options = {"azure_endpoint": servers.http.url, "api_key": "any", "api_version": "2025-04-01-preview"}
    return openai.AzureOpenAI(**options), openai.AsyncAzureOpenAI(**options)


def _anthropic(servers: Servers) -> Pair:
    options = {"base_url": servers.http.anthropic_url, "api_key": "any"}
    return anthropic.Anthropic(**options), anthropic.AsyncAnthropic(**options)


def _anthropic_vertex(servers: Servers) -> Pair:
    options = {"base_url": servers.http.anthropic_url, "region": "global", "project_id": "p", "access_token": "any"}
    return anthropic.AnthropicVertex(**options), anthropic.AsyncAnthropicVertex(**options)


class UnsignedBedrock(anthropic.AnthropicBedrock):
    """Signing needs botocore, and has no part in what is tested."""

    def _prepare_request(self, request: Any) -> None:
        pass


class AsyncUnsignedBedrock(anthropic.AsyncAnthropicBedrock):
    async def _prepare_request(self, request: Any) -> None:
        pass


def _bedrock(servers: Servers) -> Pair:
    options = {"base_url": servers.http.anthropic_url, "aws_region": "eu-west-1"}
    return UnsignedBedrock(**options), AsyncUnsignedBedrock(**options)


def _google_options(servers: Servers) -> dict[str, Any]:
    """The only SDK that does not try again unless it is told to."""
    return {"base_url": servers.http.google_url, "retry_options": {"attempts": 2, "initial_delay": 0.01}}


def _google(servers: Servers) -> Pair:
    client = genai.Client(api_key="any", http_options=_google_options(servers))
    servers.live.adopt(client)
    return client, client.aio


def _google_vertex(servers: Servers) -> Pair:
    client = genai.Client(
        vertexai=True,
        project="p",
        location="global",
        credentials=Credentials("any"),
        http_options=_google_options(servers),
    )
    servers.live.adopt(client)
    return client, client.aio


CLIENTS: dict[str, Callable[[Servers], Pair]] = {
    "OpenAI": _openai,
    "AzureOpenAI": _azure,
    "Anthropic": _anthropic,
    "AnthropicVertex": _anthropic_vertex,
    "AnthropicBedrock": _bedrock,
    "Gemini": _google,
    "Gemini on Vertex AI": _google_vertex,
}
