"""Names, units, buckets and attributes of what a call leaves behind."""

import threading

import openai
import pytest

import vigilo
from vigilo.capture.call import Request, Response
from vigilo.capture.recorder import Recorder
from vigilo.testing import Usage

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def test_the_metrics_are_those_of_the_conventions(instrumented, server):
    server.reply(usage=Usage(input_tokens=1000, output_tokens=500))
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
    points = instrumented.points()
    (duration,) = points["gen_ai.client.operation.duration"]
    assert duration.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert duration.explicit_bounds[-1] == 81.92
    assert 0 < duration.sum < 10
    assert dict(duration.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
    }
    tokens = {point.attributes["gen_ai.token.type"]: point for point in points["gen_ai.client.token.usage"]}
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 1000, "output": 500}
    assert tokens["input"].explicit_bounds == tuple(4**n for n in range(14))
    (cost,) = points["vigilo.cost"]
    assert cost.value == pytest.approx(0.00045)


def test_the_price_says_where_it_comes_from(instrumented, server):
    server.reply(usage=Usage(input_tokens=1000, output_tokens=500))
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
    told = instrumented.span().attributes
    assert told["gen_ai.usage.cost"] == pytest.approx(0.00045)
    assert type(told["gen_ai.usage.cost"]) is float
    assert told["vigilo.cost.source"] == "genai-prices"
    assert told["vigilo.cost.snapshot"]
    assert "vigilo.cost.unpriced" not in told


def test_an_unknown_model_has_no_price_rather_than_none_to_pay(instrumented, server):
    with openai.OpenAI() as client:
        client.chat.completions.create(**{**CHAT, "model": "in-house-7b"})
    told = instrumented.span().attributes
    assert "gen_ai.usage.cost" not in told
    assert told["vigilo.cost.unpriced"] is True
    assert "vigilo.cost" not in instrumented.points()


def test_only_parameters_that_were_sent_are_told(instrumented, server):
    with openai.OpenAI() as client:
        client.chat.completions.create(**CHAT)
        client.chat.completions.create(**CHAT, temperature=0.5, max_completion_tokens=9, stop="END", n=2, seed=7)
    plain, full = (dict(span.attributes) for span in instrumented.spans())
    assert not {name for name in plain if name.startswith("gen_ai.request.") and name != "gen_ai.request.model"}
    assert full["gen_ai.request.temperature"] == 0.5
    assert full["gen_ai.request.max_tokens"] == 9
    assert full["gen_ai.request.stop_sequences"] == ("END",)
    assert full["gen_ai.request.choice.count"] == 2
    assert full["gen_ai.request.seed"] == 7


@pytest.mark.parametrize("content", ["off", "full"])
def test_content_is_a_setting(telemetry, server, monkeypatch, content):
    monkeypatch.setenv("VIGILO_CONTENT", content)
    with openai.OpenAI() as client:
        vigilo.wrap(client, **telemetry.providers).chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "I am ada@example.com"}]
        )
    text = telemetry.span().to_json()
    assert ("ada@example.com" in text) is (content == "full")
    assert ("gen_ai.input.messages" in text) is (content == "full")


def test_an_error_without_content_has_no_message(telemetry, server, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "off")
    server.fail(400, message="you said: my secret")
    with openai.OpenAI() as client, pytest.raises(openai.BadRequestError):
        vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT)
    assert "my secret" not in telemetry.span().to_json()
    assert telemetry.span().attributes["error.type"] == "openai.BadRequestError"


def test_a_failure_inside_vigilo_never_reaches_the_app(telemetry, server, monkeypatch, caplog):
    """A value that no parser expects: the call goes through untouched, and the failure is logged without content."""
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    with openai.OpenAI() as client:
        vigilo.wrap(client, **telemetry.providers)
        answer = client.chat.completions.create(**CHAT, stop=7)
    assert answer.choices[0].message.content
    assert "reading a request failed with TypeError" in caplog.text
    assert telemetry.span().name == "chat gpt-4o-mini"
    assert telemetry.span().attributes["gen_ai.usage.output_tokens"] > 0


def test_a_span_processor_that_raises_never_reaches_the_app(telemetry, server, monkeypatch, caplog):
    from opentelemetry.sdk.trace import SpanProcessor

    class Broken(SpanProcessor):
        def on_end(self, span):
            raise RuntimeError("broken processor")

    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    telemetry.tracer_provider.add_span_processor(Broken())
    with openai.OpenAI() as client:
        answer = vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT)
    assert answer.choices[0].message.content
    assert "ending a span failed with RuntimeError" in caplog.text
    assert telemetry.points()["gen_ai.client.operation.duration"][0].count == 1


def test_a_call_that_ends_in_many_threads_at_once_ends_once(telemetry):
    recorder = Recorder(**telemetry.providers)
    together = threading.Barrier(8)

    def end(recording):
        together.wait()
        recording.finish(Response(usage=usage))

    usage = Usage(input_tokens=1, output_tokens=1)
    for _ in range(20):
        recording = recorder.begin(Request("chat", "openai", "gpt-4o-mini"))
        threads = [threading.Thread(target=end, args=(recording,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recording.ended
    assert len(telemetry.spans()) == 20
    assert telemetry.points()["gen_ai.client.operation.duration"][0].count == 20


def test_an_unsampled_call_still_counts_in_the_metrics(telemetry, server):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    with openai.OpenAI() as client:
        vigilo.wrap(client, **{**telemetry.providers, "tracer_provider": TracerProvider(sampler=ALWAYS_OFF)})
        client.chat.completions.create(**CHAT)
    assert telemetry.spans() == []
    assert telemetry.points()["gen_ai.client.operation.duration"][0].count == 1
    assert telemetry.points()["vigilo.cost"][0].value > 0


def test_spans_of_the_http_client_lie_under_the_calls(instrumented, server):
    """Those of each attempt, and nothing that the app does after the call."""
    import openai

    tracer = instrumented.tracer_provider.get_tracer("http")
    hooks = {"request": [lambda request: tracer.start_span("POST").end()]}
    server.fail(429, retry_after_s=0.01)
    with openai.OpenAI(http_client=openai.DefaultHttpxClient(event_hooks=hooks)) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    tracer.start_span("after").end()
    *attempts, call, after = instrumented.spans()
    assert [span.name for span in attempts] == ["POST", "POST"]
    assert {span.parent.span_id for span in attempts} == {call.context.span_id}
    assert after.parent is None
