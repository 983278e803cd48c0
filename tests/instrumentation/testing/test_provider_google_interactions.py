"""The local provider's interactions through Google's own SDK."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from vigilo.testing import ProviderServer, ToolCall, Usage

if TYPE_CHECKING:
    from google import genai

pytestmark = [
    pytest.mark.skipif(find_spec("google.genai._gaos") is None, reason="this version has no such interactions"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # the SDK calls interactions experimental
]
ASK = {"model": "gemini-2.5-flash", "input": "What is the capital of France?"}
PARIS = "The capital of France is Paris, and Paris is on the Seine."


def test_answers_with_steps(server: ProviderServer, google_client: genai.Client) -> None:
    server.reply("Hi", thinking="Say hi.", usage=Usage(input_tokens=120, output_tokens=40, output_reasoning_tokens=16))
    answer = google_client.interactions.create(**ASK)
    assert answer.status == "completed"
    assert [step.type for step in answer.steps] == ["thought", "model_output"]
    assert answer.steps[0].summary[0].text == "Say hi."
    assert answer.steps[1].content[0].text == "Hi"
    used = answer.usage
    assert (used.total_input_tokens, used.total_output_tokens, used.total_thought_tokens) == (120, 24, 16)
    assert used.total_tokens == 160


def test_streams_steps_piece_by_piece(google_client: genai.Client) -> None:
    events = list(google_client.interactions.create(**ASK, stream=True))
    assert [event.event_type for event in events[:3]] == [
        "interaction.created",
        "interaction.status_update",
        "step.start",
    ]
    assert "".join(event.delta.text for event in events if event.event_type == "step.delta") == PARIS
    assert events[-1].event_type == "interaction.completed"
    assert events[-1].interaction.usage.total_input_tokens == 11


async def test_serves_async_calls(google_client: genai.Client) -> None:
    async with google_client.aio as client:
        assert (await client.interactions.create(**ASK)).steps[0].content[0].text == PARIS


@pytest.mark.parametrize("streams", [False, True])
def test_calls_a_function(server: ProviderServer, google_client: genai.Client, streams: bool) -> None:
    server.reply("", tool_calls=[ToolCall("look", {"where": "here"})])
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]
    answer = google_client.interactions.create(**ASK, tools=tools, stream=streams)
    if streams:
        started = next(event.step for event in answer if event.event_type == "step.start")
        assert (started.type, started.name) == ("function_call", "look")
        return
    assert answer.status == "requires_action"
    assert (answer.steps[0].name, answer.steps[0].arguments) == ("look", {"where": "here"})


def test_answers_with_the_result_of_a_function(google_client: genai.Client) -> None:
    result = {"type": "function_result", "call_id": "fc_1", "name": "look", "result": "a cat"}
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]
    answer = google_client.interactions.create(model=ASK["model"], input=[result], tools=tools)
    assert answer.steps[0].content[0].text == "I looked it up for you: a cat"


def test_runs_in_the_background_until_it_is_fetched(google_client: genai.Client) -> None:
    begun = google_client.interactions.create(**ASK, background=True)
    assert (begun.status, begun.usage) == ("in_progress", None)
    done = google_client.interactions.get(begun.id)
    assert (done.id, done.status) == (begun.id, "completed")
    assert done.usage.total_input_tokens > 0
