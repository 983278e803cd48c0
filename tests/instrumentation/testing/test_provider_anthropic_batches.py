"""Message batches on the local provider, through Anthropic's own SDK."""

from __future__ import annotations

import anthropic
import pytest

from vigilo.testing import ProviderServer, Usage

HAIKU = "claude-haiku-4-5"
PARIS = "The capital of France is Paris, and Paris is on the Seine."


def request(custom_id: str, text: str | None) -> dict:
    messages = [] if text is None else [{"role": "user", "content": text}]
    return {"custom_id": custom_id, "params": {"model": HAIKU, "max_tokens": 9, "messages": messages}}


def test_a_batch_is_answered_as_each_call_would_be(
    server: ProviderServer, anthropic_client: anthropic.Anthropic
) -> None:
    batches = anthropic_client.messages.batches
    begun = batches.create(requests=[request("a", "What is the capital of France?"), request("b", None)])
    assert (begun.processing_status, begun.request_counts.processing) == ("in_progress", 2)
    ended = batches.retrieve(begun.id)
    assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.errored) == ("ended", 1, 1)
    good, bad = batches.results(begun.id)
    assert (good.custom_id, good.result.message.content[0].text) == ("a", PARIS)
    assert good.result.message.usage.service_tier == "batch"
    assert (bad.custom_id, bad.result.type) == ("b", "errored")


def test_a_batch_may_take_longer(server: ProviderServer, anthropic_client: anthropic.Anthropic) -> None:
    begun = anthropic_client.messages.batches.create(requests=[request("a", "Hi")])
    server.reply(finish_reason="in_progress")
    waiting = anthropic_client.messages.batches.retrieve(begun.id)
    assert (waiting.processing_status, waiting.results_url) == ("in_progress", None)


def test_the_usage_of_results_is_scripted(server: ProviderServer, anthropic_client: anthropic.Anthropic) -> None:
    begun = anthropic_client.messages.batches.create(requests=[request("a", "Hi")])
    server.reply("Hi", usage=Usage(input_tokens=7, output_tokens=3), match="/results", times=2)
    for _ in range(2):
        (line,) = anthropic_client.messages.batches.results(begun.id)
        assert (line.result.message.usage.input_tokens, line.result.message.usage.output_tokens) == (7, 3)


def test_results_have_ids_of_their_own(server: ProviderServer, anthropic_client: anthropic.Anthropic) -> None:
    batches = anthropic_client.messages.batches
    requests = [request("a", "Hi"), request("b", "Hi")]
    first, second = (batches.create(requests=requests).id for _ in range(2))
    told = [[line.result.message.id for line in batches.results(batch)] for batch in (first, second, first)]
    assert told[0] == told[2]
    assert len({*told[0], *told[1]}) == 4


def test_an_unknown_batch_is_refused(anthropic_client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError):
        anthropic_client.messages.batches.retrieve("msgbatch_unknown")
