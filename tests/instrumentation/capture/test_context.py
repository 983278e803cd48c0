"""Who calls and what for, from ``track`` to the span."""

import openai

import vigilo

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_call_inside_tells_who_and_what_for(instrumented, server):
    with (
        openai.OpenAI() as client,
        vigilo.track(user="ada", conversation="c1", session="s1", operation="greeting", tags={"plan": "free"}),
    ):
        client.chat.completions.create(**CHAT)
    told = instrumented.span().attributes
    assert told["gen_ai.conversation.id"] == "c1"
    assert told["session.id"] == "s1"
    assert told["vigilo.operation"] == "greeting"
    assert told["vigilo.tags"] == ("plan=free",)


def test_the_user_is_a_pseudonym_that_stays_the_same(instrumented, server):
    with openai.OpenAI() as client:
        for user in ("zoe@example.com", "bob", "zoe@example.com"):
            with vigilo.track(user=user):
                client.chat.completions.create(**CHAT)
    first, second, third = (span.attributes["user.id"] for span in instrumented.spans())
    assert first == third != second
    assert first.startswith("u_")
    assert "zoe" not in first  # no hexadecimal digits


def test_plain_user_ids_are_a_setting(telemetry, server, monkeypatch):
    monkeypatch.setenv("VIGILO_USER_IDS", "plain")
    with openai.OpenAI() as client, vigilo.track(user="ada"):
        vigilo.wrap(client, **telemetry.providers).chat.completions.create(**CHAT)
    assert telemetry.span().attributes["user.id"] == "ada"


def test_calls_are_seen_inside_a_block_without_any_instrumentor(server, tmp_path):
    import subprocess
    import sys

    script = tmp_path / "app.py"
    script.write_text(
        "import openai, vigilo\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "exporter = InMemorySpanExporter()\n"
        "provider = TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(exporter))\n"
        "trace.set_tracer_provider(provider)\n"
        "client = openai.OpenAI()\n"
        f"chat = {CHAT!r}\n"
        "client.chat.completions.create(**chat)\n"
        "with vigilo.track(operation='inside'):\n"
        "    client.chat.completions.create(**chat)\n"
        "client.chat.completions.create(**chat)\n"
        "print([span.attributes['vigilo.operation'] for span in exporter.get_finished_spans()])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['inside']"
    assert len(server.requests) == 3
