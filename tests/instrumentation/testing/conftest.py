"""A running local provider, and clients of the three SDKs that talk to it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from google import genai

from vigilo.testing import ProviderServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        yield running


@pytest.fixture
def openai_client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.openai_url, api_key="any") as client:
        yield client


@pytest.fixture
async def async_openai_client(server: ProviderServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="any") as client:
        yield client


@pytest.fixture
def anthropic_client(server: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="any") as client:
        yield client


@pytest.fixture
async def async_anthropic_client(server: ProviderServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=server.anthropic_url, api_key="any") as client:
        yield client


@contextmanager
def _google_client(**options: Any) -> Iterator[genai.Client]:
    """A client that is closed in the end, which the oldest versions of the SDK leave to the HTTP client."""
    client = genai.Client(api_key="any", **options)
    yield client
    (client if hasattr(client, "close") else client._api_client._httpx_client).close()


@pytest.fixture
def google_client(server: ProviderServer) -> Iterator[genai.Client]:
    with _google_client(vertexai=False, http_options={"base_url": server.google_url}) as client:
        yield client


@pytest.fixture
def vertex_client(server: ProviderServer) -> Iterator[genai.Client]:
    with _google_client(vertexai=True, http_options={"base_url": server.google_url}) as client:
        yield client
