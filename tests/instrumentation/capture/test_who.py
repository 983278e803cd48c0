"""For whom and for what: pseudonyms by tenant, ids that hold an address, labels that hold a value."""

from __future__ import annotations

import openai
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import vigilo
from vigilo.capture import who
from vigilo.capture.call import Request, Response
from vigilo.capture.recorder import Recorder
from vigilo.capture.who import scopes_of
from vigilo.policy.mask.labels import mask_label
from vigilo.policy.pseudonym import load_key, load_keys, pseudonyms, rotate_key, user_pseudonym
from vigilo.policy.quota.scopes import value_of
from vigilo.settings import Settings, app_settings

CALL = Request("chat", "openai", "gpt-4o-mini")


@pytest.fixture
def told(telemetry, tmp_path):
    """The attributes of one call under given settings, made inside of a block."""

    def make(request=CALL, *, settings=None, **said):
        recorder = Recorder(**telemetry.providers, settings=Settings(home=tmp_path, **(settings or {})))
        telemetry.spans_exporter.clear()
        with vigilo.track(**said):
            recorder.begin(request).finish(Response())
        return dict(telemetry.span().attributes)

    return make


def test_the_same_id_in_two_tenants_is_two_users(told, tmp_path):
    key = load_key(tmp_path)
    alone = told(user="jane")["user.id"]
    acme = told(user="jane", tenant="acme")["user.id"]
    other = told(user="jane", tenant="other")["user.id"]
    assert alone == user_pseudonym("jane", key)
    assert acme == user_pseudonym("jane", key, "acme")
    assert len({alone, acme, other}) == 3
    assert told(user="jane", settings={"tenant": "acme"})["user.id"] == acme
    assert told(user="jane", tenant="other", settings={"tenant": "acme"})["user.id"] == other


def test_a_tenant_holds_inside_of_its_block_and_is_not_told(told):
    with vigilo.track(tenant="acme"):
        inner = told(user="jane")
        with vigilo.track(tenant="other"):
            innermost = told(user="jane")
    assert inner["user.id"] == told(user="jane", tenant="acme")["user.id"] != innermost["user.id"]
    assert not any("acme" in str(value) for value in inner.values())


def test_a_tenant_is_an_id_like_others():
    with pytest.raises(TypeError, match=r"track\(tenant=...\) takes a str, an int or a UUID, got float"):
        vigilo.track(tenant=1.5)


def test_a_plain_user_id_stays_plain_in_any_tenant(told):
    assert told(user="jane", tenant="acme", settings={"user_ids": "plain"})["user.id"] == "jane"


def test_a_users_older_pseudonyms_are_known_after_a_new_key(told, tmp_path):
    before = told(user="jane", tenant="acme")["user.id"]
    rotate_key(tmp_path)
    load_keys.cache_clear()
    assert pseudonyms("jane", tmp_path, "acme")[1:] == [before]
    assert pseudonyms("jane", tmp_path, "acme")[0].startswith("u_2_")


def test_an_id_that_holds_an_address_becomes_a_pseudonym_and_stays_one_id(told):
    jane = told(conversation="jane@example.com", session="+1 415-555-2671")
    bob = told(conversation="bob@example.com")
    assert jane["gen_ai.conversation.id"] != bob["gen_ai.conversation.id"]
    assert told(conversation="jane@example.com")["gen_ai.conversation.id"] == jane["gen_ai.conversation.id"]
    assert all(value.startswith("u_") for value in (jane["gen_ai.conversation.id"], jane["session.id"]))


@pytest.mark.parametrize(
    "known",
    ["c1", "thread_abc123", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "conv_68a1f0c2d3e4f5", "1763731200", "4711"],
)
def test_ids_that_are_ids_stay(told, known):
    assert told(conversation=known, session=known)["gen_ai.conversation.id"] == known
    assert told(Request("chat", "openai", "gpt-4o-mini", conversation_id=known))["gen_ai.conversation.id"] == known


def test_labels_are_masked_wherever_the_app_writes_them(told, telemetry):
    request = Request(
        "chat",
        "openai",
        "ft:gpt-4o:jane@example.com",
        parameters={
            "gen_ai.request.stop_sequences": ["\nbob@example.com:"],
            "gen_ai.agent.name": "agent of eve@example.com",
            "gen_ai.request.previous_response.id": "resp_123",
        },
    )
    shown = told(
        request, operation="mail to jane@example.com", tags={"mail": "jane@example.com", "phone": "4155552671"}
    )
    assert shown["gen_ai.request.model"] == "ft:gpt-4o:[EMAIL]"
    assert shown["gen_ai.request.stop_sequences"] == ("\n[EMAIL]:",)
    assert shown["gen_ai.agent.name"] == "agent of [EMAIL]"
    assert shown["gen_ai.request.previous_response.id"] == "resp_123"
    assert shown["vigilo.operation"] == "mail to [EMAIL]"
    assert shown["vigilo.tags"] == ("mail=[EMAIL]", "phone=[PHONE]")
    assert telemetry.span().name == "chat ft:gpt-4o:[EMAIL]"
    (point,) = telemetry.points()["gen_ai.client.operation.duration"]
    assert point.attributes["gen_ai.request.model"] == "ft:gpt-4o:[EMAIL]"


@pytest.mark.parametrize(
    ("known", "shown"),
    [("v1_ChdtUFFYXQyYUM4UHdqckVQeHVMLTRBRRIXbXVBRWF0MmFDOFB3anJFUHh1", None), ("a@x.org", "[EMAIL]")],
)
def test_the_id_of_an_earlier_answer_stays_what_the_provider_made_it(told, known, shown):
    name = "gen_ai.request.previous_response.id"
    assert told(Request("chat", "gcp.gemini", "m", parameters={name: known}))[name] == (shown or known)


def test_full_content_leaves_what_the_app_said_of_a_call(told, monkeypatch):
    monkeypatch.setenv("VIGILO_CONTENT", "full")  # the first block of a process puts the policy before exporters
    request = Request("chat", "openai", "m", parameters={"gen_ai.request.stop_sequences": ["bob@example.com"]})
    shown = told(request, conversation="jane@example.com", operation="to bob@example.com", settings={"content": "full"})
    assert shown["gen_ai.conversation.id"] == "jane@example.com"
    assert shown["vigilo.operation"] == "to bob@example.com"
    assert shown["gen_ai.request.stop_sequences"] == ("bob@example.com",)


def test_names_of_models_are_left_alone():
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    names = {model.id for provider in snapshot.providers for model in provider.models}
    names |= {
        "ft:gpt-4o-mini-2024-07-18:acme-corp::AbC12dEf",
        "ft:gpt-4o-mini-2024-07-18:acme::9xYzAbCd",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
        "projects/my-project-12345/locations/us-central1/endpoints/4615827364518273645",
        "accounts/fireworks/models/llama-v3p1-405b-instruct",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "gpt-35-turbo-0125-deployment-westeurope",
        "models/gemini-2.5-flash-preview-09-2025",
    }
    assert len(names) > 1000
    assert {name for name in names if mask_label(name) != name} == set()


def test_numbered_placeholders_run_through_a_conversation(telemetry, server, monkeypatch):
    monkeypatch.setenv("VIGILO_PLACEHOLDERS", "numbered")
    app_settings.cache_clear()
    server.reply("Hello jane@example.com", times=4)
    messages = [
        {"role": "system", "content": "You work for boss@example.com"},
        {"role": "user", "content": "I am jane@example.com"},
    ]
    with openai.OpenAI() as client:
        vigilo.wrap(client, **telemetry.providers)
        for conversation in ("numbered 1", "numbered 1", "numbered 2", None):
            with vigilo.track(conversation=conversation):
                client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            messages = [{"role": "user", "content": "bob@example.com asks jane@example.com"}]
    asked = [span.attributes["gen_ai.input.messages"] for span in telemetry.spans()]
    answered = [span.attributes["gen_ai.output.messages"] for span in telemetry.spans()]
    # The newest message is read first.
    assert "You work for [EMAIL_2]" in asked[0]
    assert "I am [EMAIL_1]" in asked[0]
    assert "[EMAIL_3] asks [EMAIL_1]" in asked[1]
    assert all("[EMAIL_1] asks [EMAIL_2]" in text for text in asked[2:])
    assert ["Hello [EMAIL_1]" in text for text in answered] == [True, True, False, False]
    assert all("Hello [EMAIL_2]" in text for text in answered[2:])


def test_numbers_run_through_errors_and_events_too(telemetry, server, monkeypatch):
    monkeypatch.setenv("VIGILO_PLACEHOLDERS", "numbered")
    app_settings.cache_clear()
    server.fail(400, message="bob@example.com and jane@example.com are unknown")
    with openai.OpenAI() as client, pytest.raises(openai.BadRequestError):
        vigilo.wrap(client, **telemetry.providers).chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "I am jane@example.com"}]
        )
    span = telemetry.span()
    assert "[EMAIL_1] and [EMAIL_2] are unknown" in span.status.description
    assert "I am [EMAIL_2]" in span.attributes["gen_ai.input.messages"]
    assert "[EMAIL_1] and [EMAIL_2]" in telemetry.logs()[0].attributes["exception.message"]


SAID = {
    "user": "jane",
    "conversation": "mail from jane@example.com",
    "session": "s-1",
    "operation": "answer jane@example.com",
    "tags": {"plan": "free", "mail": "jane@example.com"},
}


@pytest.mark.parametrize("variables", [{}, {"VIGILO_USER_IDS": "plain"}, {"VIGILO_CONTENT": "full"}])
@pytest.mark.parametrize("tenant", [None, "acme"])
def test_rules_name_a_call_as_its_telemetry_does(telemetry, monkeypatch, variables, tenant):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    app_settings.cache_clear()
    settings = app_settings()
    with vigilo.track(**SAID, tenant=tenant):
        scopes = scopes_of(CALL)
        Recorder(**telemetry.providers).begin(CALL).finish(Response())
    told = telemetry.span().attributes
    assert scopes == {
        "user": (told["user.id"],),
        "conversation": (told["gen_ai.conversation.id"],),
        "session": (told["session.id"],),
        "operation": (told["vigilo.operation"],),
        "tag": tuple(told["vigilo.tags"]),
        "model": (told["gen_ai.request.model"],),
        "provider": (told["gen_ai.provider.name"],),
    }
    named = {name: (value,) for name, value in SAID.items() if name != "tags"}
    named |= {"tag": tuple(f"{name}={value}" for name, value in SAID["tags"].items())}
    named |= {"model": (CALL.model,), "provider": (CALL.provider,)}
    for dimension, values in named.items():
        assert tuple(value_of(dimension, value, settings, tenant or "") for value in values) == scopes[dimension]
        assert tuple(value_of(dimension, value, settings) for value in scopes[dimension]) == scopes[dimension]


def test_a_call_outside_of_all_blocks_counts_for_what_it_says_itself():
    assert scopes_of(Request("chat", "openai", None)) == {"provider": ("openai",)}
    asked = Request("chat", "openai", "gpt-4o-mini", conversation_id="c-1")
    assert scopes_of(asked) == {"provider": ("openai",), "model": ("gpt-4o-mini",), "conversation": ("c-1",)}
    with vigilo.track(conversation="c-2"):
        assert scopes_of(asked)["conversation"] == ("c-2",)


@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({"OTEL_SERVICE_NAME": "shop"}, ("shop",)),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=the%20shop ,c=d"}, ("the shop",)),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=other", "OTEL_SERVICE_NAME": "shop"}, ("shop",)),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name="}, None),
        ({}, None),
    ],
)
def test_the_service_is_the_one_that_the_environment_names(monkeypatch, variables, service):
    monkeypatch.setattr(who, "_known", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert scopes_of(CALL).get("service") == service
    monkeypatch.setattr(who, "_known", None)


@pytest.mark.parametrize(("attributes", "service"), [({"service.name": "shop"}, ("shop",)), ({}, None)])
def test_the_service_is_the_one_of_the_apps_telemetry(monkeypatch, attributes, service):
    provider = TracerProvider(resource=Resource.create(attributes))
    monkeypatch.setattr(who, "get_tracer_provider", lambda: provider)
    assert scopes_of(CALL).get("service") == service
    monkeypatch.setattr(who, "_known", None)
    provider.shutdown()
