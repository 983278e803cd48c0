"""Anthropic's message batches: told by number when they start, counted once when their results are read."""

import itertools

from vigilo.capture.call import Usage
from vigilo.capture.parse.anthropic import endpoint_of
from vigilo.capture.parse.endpoint import Origin

_ids = itertools.count()


def line(model="claude-haiku-4-5", input_tokens=100, output_tokens=10, name=None):
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens, "service_tier": "batch"}
    message = {"id": name or f"msg_test_{next(_ids)}", "type": "message", "model": model, "usage": usage}
    return {"custom_id": "c", "result": {"type": "succeeded", "message": message}}


def read_results(lines, path="https://api.anthropic.com/v1/messages/batches/b1/results"):
    fold = endpoint_of("GET", path).fold(False)
    for one in lines:
        fold.add(one)
    return fold.response()


def test_a_batch_that_starts():
    requests = [{"custom_id": str(n), "params": {"model": "claude-haiku-4-5", "messages": []}} for n in range(3)]
    batch = endpoint_of("POST", "/v1/messages/batches")
    asked = batch.request(Origin("anthropic"), {"requests": requests}, True)
    assert (asked.operation, asked.model, asked.input) == ("batch", "claude-haiku-4-5", ())
    assert asked.parameters == {"vigilo.batch.requests": 3}
    mixed = [*requests, {"custom_id": "x", "params": {"model": "claude-opus-4-6"}}]
    assert batch.request(Origin("anthropic"), {"requests": mixed}, True).model is None
    assert batch.response({"id": "b1"}, True).id == "b1"
    assert batch.response({"id": "b1"}, True).usage == Usage()


def test_results_are_summed_at_the_price_of_batches():
    failed = {"custom_id": "c", "result": {"type": "errored", "error": {"type": "error"}}}
    response = read_results([line(), line(), failed])
    assert (response.id, response.model, response.service_tier) == ("b1", "claude-haiku-4-5", "batch")
    assert response.usage == Usage(200, 20)
    assert response.attributes == {"vigilo.batch.requests": 3, "vigilo.batch.failed": 1}


def test_results_of_several_models_are_billed_apart():
    response = read_results([line(), line("claude-opus-4-6", 7, 1)])
    assert response.model is None
    assert response.usage == Usage(107, 11)
    assert response.billed == (("claude-haiku-4-5", Usage(100, 10)), ("claude-opus-4-6", Usage(7, 1)))


def test_small_results_never_add_up_to_the_price_of_a_long_context():
    response = read_results([line(input_tokens=60_000) for _ in range(4)] + [line(input_tokens=250_000)])
    assert response.usage.input_tokens == 490_000
    assert [spent.input_tokens for _, spent in response.billed] == [60_000] * 4 + [250_000]


def test_results_that_are_read_again_are_not_counted_again():
    lines = [line(), line()]
    assert read_results(lines[:1]).usage == Usage(100, 10)
    again = read_results(lines)
    assert again.usage == Usage(100, 10)
    assert again.attributes["vigilo.batch.requests"] == 2
    assert read_results(lines).usage == Usage()


def test_polling_and_listing_have_no_endpoint():
    for method, path in [
        ("GET", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/b1"),
        ("POST", "/v1/messages/batches/b1/cancel"),
        ("DELETE", "/v1/messages/batches/b1"),
        ("GET", "/v1/models"),
        ("POST", "/v1/files"),
    ]:
        assert endpoint_of(method, path) is None
