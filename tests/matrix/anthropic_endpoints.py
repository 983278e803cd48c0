"""The endpoints of Anthropic's SDK, on its own API and on the platforms that sell it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anthropic
from pydantic import BaseModel

from .cells import Cell, Endpoint, Expected
from .styles import stainless

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = [{"role": "user", "content": "Hello there"}]
MODEL = "claude-sonnet-4-6"
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
REQUEST = {"custom_id": "one", "params": {"model": MODEL, "max_tokens": 100, "messages": ASKED}}


class Answer(BaseModel):
    text: str


CHAT = Expected("chat", "anthropic", MODEL, (120, 40))
UNCOUNTED = (None, None)
MESSAGES = Endpoint(
    client="Anthropic",
    name="messages",
    method="messages.create",
    arguments={"model": MODEL, "max_tokens": 2000, "messages": ASKED},
    stream={"stream": True},
    helper="messages.stream",
    parse="messages.parse",
    parse_arguments={"output_format": Answer},
    expected=CHAT,
)
BETA = replace(
    MESSAGES,
    name="beta.messages",
    method="beta.messages.create",
    helper="beta.messages.stream",
    parse="beta.messages.parse",
)
THINKING = {**MESSAGES.arguments, "thinking": {"type": "enabled", "budget_tokens": 1024}}
ENDPOINTS = (
    MESSAGES,
    replace(MESSAGES, name="messages, tools", arguments={**MESSAGES.arguments, "tools": [TOOL]}, parse=None),
    replace(MESSAGES, name="messages, thinking", arguments=THINKING, parse=None),
    BETA,
    Endpoint(
        client="Anthropic",
        name="messages.count_tokens",
        method="messages.count_tokens",
        arguments={"model": MODEL, "messages": ASKED},
        expected=Expected("count_tokens", "anthropic", MODEL, UNCOUNTED),
    ),
    Endpoint(
        client="Anthropic",
        name="beta.messages.count_tokens",
        method="beta.messages.count_tokens",
        arguments={"model": MODEL, "messages": ASKED},
        expected=Expected("count_tokens", "anthropic", MODEL, UNCOUNTED),
    ),
    Endpoint(
        client="Anthropic",
        name="messages.batches",
        method="messages.batches.create",
        arguments={"requests": [REQUEST]},
        expected=Expected("batch", "anthropic", MODEL, UNCOUNTED),
    ),
)


def weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"Sunny in {city}"


async def aweather(city: str) -> str:
    """Tells the weather.

    Args:
        city: where.
    """
    return f"Sunny in {city}"


def run_tools(runner: Any) -> None:
    runner.until_done()


async def arun_tools(runner: Any) -> None:
    await runner.until_done()


def tool_runner() -> Iterator[Cell]:
    """The SDK calls the tool and asks again: two calls to the model."""
    tools = [getattr(anthropic, "beta_tool", lambda function: function)(weather)]
    cell = Cell(
        client="Anthropic",
        endpoint="beta.messages.tool_runner",
        style="call",
        is_async=False,
        method="beta.messages.tool_runner",
        arguments={**MESSAGES.arguments, "tools": tools},
        use=run_tools,
        expected=replace(CHAT, spans=2),
    )
    yield cell
    atools = [getattr(anthropic, "beta_async_tool", lambda function: function)(aweather)]
    yield replace(cell, is_async=True, arguments={**cell.arguments, "tools": atools}, use=arun_tools)


def cells() -> Iterator[Cell]:
    for endpoint in ENDPOINTS:
        yield from stainless(endpoint)
    yield from tool_runner()
    yield from stainless(
        replace(MESSAGES, client="AnthropicVertex", parse=None, expected=replace(CHAT, provider="gcp.vertex_ai"))
    )
    on_bedrock = replace(CHAT, provider="aws.bedrock")
    for cell in stainless(replace(MESSAGES, client="AnthropicBedrock", parse=None, expected=on_bedrock)):
        if cell.style.endswith(("lines", "bytes")):  # of AWS' binary format, in which there are no events to be seen
            yield replace(cell, expected=replace(on_bedrock, tokens=UNCOUNTED))
        else:
            yield cell
