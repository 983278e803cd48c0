"""What other providers add to OpenAI's Chat Completions."""

import pytest
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.openai_chat import CHAT, usage

SPENT = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def as_sdk(chunk):
    """The chunk as the SDK gives it: what its class does not declare is an extra field."""
    return ChatCompletionChunk.construct(**chunk)


BOTH = pytest.mark.parametrize("made", [dict, as_sdk], ids=["json", "sdk"])


def folded(chunks, made=dict, content=True):
    fold = CHAT.fold(content)
    hidden = [fold.add(made(chunk)) for chunk in chunks]
    return fold.response(), hidden


def chunk(delta=None, reason=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}


def answered(message, **more):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return CHAT.response({"id": "c1", "model": "m", "choices": [choice], **more}, True)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_comes_before_the_answer(field):
    (message,) = answered({"content": "4", field: "2 + 2"}).output
    assert message["parts"] == [{"type": "reasoning", "content": "2 + 2"}, {"type": "text", "content": "4"}]


@BOTH
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_streamed(made, field):
    pieces = [{field: "2 ", "content": None}, {field: "+ 2", "content": ""}, {"content": "4"}]
    response, _ = folded([*map(chunk, pieces), chunk({}, "stop")], made)
    assert response.output[0]["parts"] == [
        {"type": "reasoning", "content": "2 + 2"},
        {"type": "text", "content": "4"},
    ]


def test_reasoning_in_the_conversation_is_told():
    asked = {"model": "m", "messages": [{"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}]}
    (message,) = CHAT.request(Origin("deepseek"), asked, True).input
    assert message["parts"][0] == {"type": "reasoning", "content": "2 + 2"}


@BOTH
def test_blocks_of_mistral(made):
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2"}]}
    expected = [{"type": "reasoning", "content": "2 + 2"}, {"type": "text", "content": "4"}]
    (whole,) = answered({"content": [thinking, {"type": "text", "text": "4"}]}).output
    assert whole["parts"] == expected
    response, _ = folded([chunk({"content": [thinking]}), chunk({"content": "4"}), chunk({}, "stop")], made)
    assert response.output[0]["parts"] == expected


def test_reasoning_counts_in_the_estimate_but_is_not_kept_without_content():
    fold = CHAT.fold(False)
    fold.add(chunk({"reasoning_content": "x" * 40}))
    assert fold.chars == 40
    assert fold.response().output == ()


@BOTH
def test_the_usage_of_groq(made):
    response, _ = folded([chunk({"content": "4"}), chunk({}, "stop", x_groq={"id": "r", "usage": SPENT})], made)
    assert response.usage == Usage(100, 20)


@BOTH
def test_the_usage_of_moonshot(made):
    last = chunk({}, "stop")
    last["choices"][0]["usage"] = {**SPENT, "cached_tokens": 30}
    response, _ = folded([chunk({"content": "4"}), last], made)
    assert response.usage == Usage(100, 20, 30)


@BOTH
def test_usage_on_every_chunk_is_cumulative_and_not_hidden(made):
    first = chunk({"content": "4"}, usage={**SPENT, "completion_tokens": 1, "total_tokens": 101})
    response, hidden = folded([first, chunk({}, "stop", usage=SPENT)], made)
    assert response.usage == Usage(100, 20)
    assert hidden == [False, False]


@BOTH
def test_chunks_without_choices_or_id(made):
    filtered = {**chunk(), "id": "", "model": "", "prompt_filter_results": []}
    response, hidden = folded([filtered, chunk({"content": "4"}), chunk({}, "stop")], made)
    assert (response.id, response.model, response.finish_reasons) == ("c1", "m", ("stop",))
    assert hidden == [False] * 3


@BOTH
def test_a_provider_without_ids(made):
    response, _ = folded([{**chunk({"content": "4"}), "id": None}, {**chunk({}, None), "id": None}], made)
    assert (response.id, response.model, response.finish_reasons) == (None, "m", ())


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({**SPENT, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, Usage(100, 20, 64)),
        ({**SPENT, "prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 9}, Usage(100, 20, 0)),
        (  # xAI: reasoning lies beside the completion
            {**SPENT, "total_tokens": 150, "completion_tokens_details": {"reasoning_tokens": 30}},
            Usage(100, 50, output_reasoning_tokens=30),
        ),
        ({**SPENT, "total_tokens": None}, Usage(100, 20)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
    ],
)
def test_usage(told, expected):
    assert usage(told) == expected
    assert usage(CompletionUsage.model_construct(**told)) == expected


@pytest.mark.parametrize(
    ("told", "usd"),
    [
        ({"cost": 0.0125}, 0.0125),
        ({"cost": 0}, 0.0),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, 0.01),
        ({"cost": {"total_cost": 0.006, "currency": "USD"}}, 0.006),
        ({"cost_in_usd_ticks": 318_319_000}, 0.0318319),
        ({"cost": None}, None),
        ({"cost": "0.01"}, None),
        ({}, None),
    ],
)
def test_the_price_that_the_provider_tells(told, usd):
    expected = None if usd is None else pytest.approx(usd)
    assert answered({"content": "4"}, usage={**SPENT, **told}).cost_usd == expected
    response, _ = folded([chunk({"content": "4"}), chunk(usage={**SPENT, **told})])
    assert response.cost_usd == expected


def test_an_error_that_came_as_an_answer():
    body = {"error": {"code": 502, "message": "The upstream provider is down"}}
    assert CHAT.response(body, True).error == ("502", "The upstream provider is down")
    assert CHAT.response({"error": "overloaded"}, True).error == ("error", "overloaded")
    assert CHAT.response({}, True).error is None


def test_a_choice_that_broke_off():
    error = {"code": 502, "message": "gone"}
    choice = {"index": 0, "message": {"content": "4"}, "finish_reason": "error", "error": error}
    assert CHAT.response({"choices": [choice]}, True).error == ("502", "gone")
