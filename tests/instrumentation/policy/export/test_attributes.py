"""How the attributes of other instrumentors are masked, by their names and the types of their values."""

from __future__ import annotations

import json
import sys

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from vigilo.policy.export.masker import masker_of, others_masker
from vigilo.policy.export.texts import without_cut_value
from vigilo.policy.mask.user_rules import user_rules
from vigilo.policy.pseudonym import is_pseudonym

MAIL = "jane.roe@example.com"
CARD = 4111111111111111
PASSWORD = "hunter" + "2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (MAIL, "[EMAIL]"),
        (["a", MAIL], ["a", "[EMAIL]"]),
        ([["a"], [MAIL]], [["a"], ["[EMAIL]"]]),
        ({"to": {"list": [MAIL, 1, None, True]}}, {"to": {"list": ["[EMAIL]", 1, None, True]}}),
        ({MAIL: 1}, {"[EMAIL]": 1}),
        (CARD, "[CARD]"),
        (float(CARD), "[CARD].0"),
        ([CARD, 7], ["[CARD]", 7]),
        (b"jane", "[BYTES 4]"),
        ({"a": [b"jane"]}, {"a": ["[BYTES 4]"]}),
        (f'{{"to": "{MAIL}", "n": 1}}', '{"to":"[EMAIL]","n":1}'),
        (json.dumps({"arguments": json.dumps({"to": MAIL})}), '{"arguments":"{\\"to\\":\\"[EMAIL]\\"}"}'),
    ],
)
def test_values_of_every_type_are_masked(attributes_of, value, shown):
    assert attributes_of({"told": value}) == {"told": shown}


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "",
        ["a", "b"],
        [1, 2.5, 3],
        {"a": [1, {"b": None}]},
        True,
        0,
        -1.5,
        1732187234123456789,
        '{"a" : [1, 2],  "b": "caf\\u00e9"}',
        "[not JSON",
    ],
)
def test_values_without_anything_to_mask_are_the_same_object(value):
    attributes = {"told": value}
    assert others_masker().attributes(attributes) is None


def test_a_json_object_that_names_a_key_twice_hides_nothing():
    shown = others_masker().text(f'{{"a": "{MAIL}", "a": 1}}', "told")
    assert "jane" not in shown


def test_a_number_too_long_to_print_is_left_out():
    assert others_masker().attributes({"n": 10**5000}) == {"n": "[REDACTED]"}


def test_what_is_nested_without_end_is_cut():
    endless = {}
    endless["again"] = endless
    assert "…" in str(others_masker().attributes({"a": endless}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server.address", "203.0.113.7"),
        ("service.version", "1.2.3.4"),
        ("host.ip", ["203.0.113.7", "2001:db8::17"]),
        ("host.id", "4111111111111111"),
        ("thread.id", 140234567890123),
        ("thread.id", CARD),
        ("telemetry.sdk.version", "1.45.2.1"),
        ("user_agent.original", "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"),
        ("code.file.path", "/srv/app/1.2.3.4/views.py"),
        ("k8s.pod.ip", "203.0.113.7"),
        ("url.full", "https://203.0.113.7:8443/v1/orders?page=2"),
        ("http.url", "http://[2001:db8::17]/v1"),
        ("http.host", "203.0.113.7:8443"),
        ("db.connection_string", "postgresql://203.0.113.7:5432/orders"),
        ("messaging.body.size", CARD),
        ("phone.call.duration_ns", 4155552671),
        ("db.statement", "SELECT id, name FROM orders WHERE total > 12.50 LIMIT 10"),
        ("http.request.header.content_type", ["application/json"]),
        ("gen_ai.request.model", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("gen_ai.response.id", "chatcmpl-9fK2mZ7QxYbN4vTsR1pLhW3cUeAd"),
        ("gen_ai.response.id", "Zq3kP9xW2mT7" + "vB4nR8sY1dLcQQ"),
        ("messaging.message.id", "Zq3kP9xW2mT7" + "vB4nR8sY1dLcQQ"),
        ("user.id", None),
    ],
)
def test_what_machines_write_is_left_alone(name, value):
    assert others_masker().attributes({name: value}) is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("server.address", f"{MAIL}", "[EMAIL]"),
        ("service.version", f"1.2 by {MAIL}", "1.2 by [EMAIL]"),
        ("client.address", "203.0.113.7", "[IP]"),
        ("network.peer.address", "203.0.113.7", "[IP]"),
        ("url.full", f"https://203.0.113.7/find?mail={MAIL}", "https://203.0.113.7/find?mail=[EMAIL]"),
        ("url.full", "https://shop.example/?from=203.0.113.7", "https://shop.example/?from=[IP]"),
        ("http.request.header.authorization", [f"Basic {PASSWORD}"], ["[SECRET]"]),
        ("db.password", PASSWORD, "[SECRET]"),
        ("nested", {"api_key": PASSWORD}, {"api_key": "[SECRET]"}),
        ("customer.phone", "2125550123", "[PHONE]"),
        ("gen_ai.headers", "{'X-Team': 'red'}", "[SECRET]"),
    ],
)
def test_names_say_what_values_are(attributes_of, name, value, shown):
    assert attributes_of({name: value}) == {name: shown}


def test_names_of_attributes_are_masked_and_none_is_lost(attributes_of):
    shown = attributes_of({f"score of {MAIL}": 1, "score of john@example.org": 2, "plain": 3})
    assert shown == {"score of [EMAIL]": 1, "score of [EMAIL] 2": 2, "plain": 3}


def test_ids_of_persons_become_vigilos_pseudonyms(attributes_of):
    shown = attributes_of({"user.id": "ada", "enduser.id": "ada", "user.name": "grace", "langfuse.user.id": 7})
    assert all(map(is_pseudonym, shown.values()))
    assert shown["user.id"] == shown["enduser.id"] != shown["user.name"]
    again = attributes_of({"user.id": shown["user.id"]})
    assert again == {"user.id": shown["user.id"]}


def test_a_foreign_user_is_the_same_as_vigilos_own(attributes_of, provider, written):
    import vigilo
    from vigilo.capture.call import Request, Response
    from vigilo.capture.recorder import Recorder

    recorder = Recorder(tracer_provider=provider)
    with vigilo.track(user="ada"):
        recorder.begin(Request("chat", "openai", "gpt-4o")).finish(Response())
    own = written.spans[-1]["attributes"]["user.id"]
    assert attributes_of({"user.id": "ada"}) == {"user.id": own}


def test_plain_ids_stay_plain_where_the_user_wants_it(attributes_of, set_up):
    set_up(VIGILO_USER_IDS="plain")
    assert attributes_of({"user.id": "ada"}) == {"user.id": "ada"}


def test_ids_that_things_are_grouped_by_stay_apart(attributes_of):
    one = attributes_of({"session.id": MAIL, "gen_ai.conversation.id": "c-1"})
    other = attributes_of({"session.id": "john@example.org"})
    assert is_pseudonym(one["session.id"])
    assert one["session.id"] != other["session.id"]
    assert one["gen_ai.conversation.id"] == "c-1"


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": f"I am {MAIL}. " + "word " * 400}]}]


def test_messages_are_masked_value_by_value_and_cut(attributes_of):
    for given in (json.dumps(MESSAGES), MESSAGES):
        shown = attributes_of({"gen_ai.input.messages": given, "input.value": "long " * 1000})
        messages = shown["gen_ai.input.messages"]
        (message,) = json.loads(messages) if isinstance(messages, str) else messages
        text = message["parts"][0]["content"]
        assert text.startswith("I am [EMAIL]. word word")
        assert text.endswith(" chars]")
        assert len(text) < 1100
        assert (message["role"], message["parts"][0]["type"]) == ("user", "text")
        assert len(shown["input.value"]) < 1100


CONTENT = {
    "gen_ai.input.messages": "[]",
    "gen_ai.system_instructions": "be brief",
    "gen_ai.prompt": "hello",
    "gen_ai.prompt.0.content": "hello",
    "gen_ai.completion.12.tool_calls.0.arguments": "{}",
    "gen_ai.tool.call.arguments": "{}",
    "llm.input_messages.0.message.content": "hello",
    "llm.prompts": ["hello"],
    "input.value": "hello",
    "traceloop.entity.output": "hello",
    "request_data": "{}",
    "mlflow.spanInputs": "{}",
}
NO_CONTENT = {
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.prompt.cache": "on",
    "input.mime_type": "text/plain",
    "llm.model_name": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 7,
}


def test_without_content_messages_are_left_out_and_the_rest_is_masked(attributes_of, set_up):
    set_up(VIGILO_CONTENT="off")
    assert attributes_of({**CONTENT, **NO_CONTENT, "who": MAIL}) == {**NO_CONTENT, "who": "[EMAIL]"}


def test_with_full_content_nothing_is_masked_but_users_ids(attributes_of, set_up):
    set_up(VIGILO_CONTENT="full")
    shown = attributes_of({**CONTENT, "who": MAIL, "user.id": "ada"})
    assert is_pseudonym(shown.pop("user.id"))
    assert shown == {**CONTENT, "who": MAIL}


def test_other_telemetry_can_be_left_alone(attributes_of, set_up):
    set_up(VIGILO_MASK_OTHER_TELEMETRY="false")
    told = {"who": MAIL, "user.id": "ada", "input.value": MAIL}
    assert attributes_of(told) == told
    assert attributes_of({"who": MAIL}, scope="vigilo") == {"who": "[EMAIL]"}


def test_vigilos_own_messages_are_not_masked_again_but_what_others_add_is(attributes_of):
    masked_already = json.dumps(MESSAGES)
    shown = attributes_of({"gen_ai.input.messages": masked_already, "added": MAIL, "user.id": "u1"}, scope="vigilo")
    assert shown == {"gen_ai.input.messages": masked_already, "added": "[EMAIL]", "user.id": "u1"}


def test_names_are_masked_by_the_users_plug_in(tmp_path, monkeypatch, attributes_of):
    (tmp_path / "plug_in_of_titles.py").write_text(
        "import re\n\n"
        "def find(text):\n"
        "    return [(*found.span(1), 'PERSON') for found in re.finditer('Ms ([A-Z][a-z]+)', text)]\n"
    )
    (tmp_path / "vigilo.toml").write_text('[mask]\nnames = "plug_in_of_titles:find"\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("VIGILO_CONFIG", str(tmp_path / "vigilo.toml"))
    user_rules.cache_clear()
    try:
        told = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Ms Roe called"}]}])
        for scope in ("another", "vigilo"):
            shown = attributes_of({"gen_ai.input.messages": told, "note": "Ms Roe called"}, scope=scope)
            assert "Ms [PERSON] called" in shown["gen_ai.input.messages"]
            assert shown["note"] == "Ms [PERSON] called"
    finally:
        user_rules.cache_clear()
        sys.modules.pop("plug_in_of_titles", None)


@pytest.mark.parametrize("limit", range(4, 40))
def test_a_value_that_the_sdk_cut_in_two_is_not_shown(in_force, limit):
    from .conftest import Written

    exporter = Written()
    provider = TracerProvider(
        sampler=ALWAYS_ON, shutdown_on_exit=False, span_limits=SpanLimits(max_span_attribute_length=limit)
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("another").start_span(
        "work", attributes={"a": f"I am {MAIL} indeed", "b": "call +1 415 555 2671 now", "c": "x"}
    ).end()
    (span,) = exporter.spans
    assert "jane" not in str(span["attributes"])
    assert "415" not in str(span["attributes"])
    assert span["attributes"]["c"] == "x"


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ("hello wor", "hello"),
        ("hello +1 415 5", "hello"),
        ("", ""),
        ("word", ""),
        ("4111 1111 11", ""),
        ("a b c", "a b"),
        ("line\nnext li", "line\nnext"),
    ],
)
def test_a_cut_text_ends_with_a_whole_word(cut, kept):
    assert without_cut_value(cut) == kept


def test_many_names_and_values_take_bounded_memory():
    masker = others_masker()
    for number in range(20_000):
        masker.attributes({f"name{number}": f"value {number}"})
    assert len(masker._rules) <= 4096
    assert masker.attributes({"a": MAIL}) == {"a": "[EMAIL]"}


def test_the_masker_follows_the_settings(set_up):
    before = masker_of("another")
    assert masker_of("another") is before
    set_up(VIGILO_CONTENT="full")
    assert masker_of("another") is not before
    assert not masker_of("another").masks


def test_the_names_of_all_priced_models_are_left_alone():
    from genai_prices.data import providers

    names = {model.id for provider in providers for model in provider.models}
    assert len(names) > 1000
    changed = {name for name in names if others_masker().text(name, "gen_ai.request.model") != name}
    assert changed == set()
