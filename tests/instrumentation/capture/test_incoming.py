"""What is taken from an incoming request, from the carriers of all web frameworks; the real ones are in tests/road."""

import logging
import os
import subprocess
import sys
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import openai
import pytest
from opentelemetry import baggage, propagate
from opentelemetry import context as otel_context
from opentelemetry.propagators.textmap import DefaultGetter, Getter

import vigilo
from vigilo.capture.context import current
from vigilo.capture.incoming import IncomingPropagator
from vigilo.settings import app_settings

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
USER = {"x-user-id": "ada", "x-session-id": "s1", "x-conversation-id": "c1"}


class EnvironGetter(Getter):
    """Reads headers as PEP 3333 names them."""

    def get(self, carrier, key):
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier):
        return list(carrier)


class ScopeGetter(Getter):
    def get(self, carrier, key):
        return [value.decode() for name, value in carrier["headers"] if name == key.encode()] or None

    def keys(self, carrier):
        return [name.decode() for name, _ in carrier["headers"]]


class Request(UserDict):
    """A request as aiohttp.server's: a mapping that has headers and the client's address as attributes."""

    def __init__(self, headers, remote):
        super().__init__()
        self.headers, self.remote = headers, remote


class RequestGetter(Getter):
    def get(self, carrier, key):
        return [carrier.headers[key]] if key in carrier.headers else None

    def keys(self, carrier):
        return list(carrier.headers)


def wsgi(headers, address="192.0.2.1"):
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return {**environ, "REMOTE_ADDR": address, "REQUEST_METHOD": "GET"}, EnvironGetter()


def asgi(headers, address="192.0.2.1"):
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    client = (address, 50000) if address else None
    return {"type": "http", "asgi": {"version": "3.0"}, "client": client, "headers": raw}, ScopeGetter()


def aiohttp(headers, address="192.0.2.1"):
    return Request(headers, address or None), RequestGetter()


def tornado(headers, address=None):
    return headers, DefaultGetter()


ALL = [wsgi, asgi, aiohttp, tornado]
WITH_ADDRESS = [wsgi, asgi, aiohttp]


def handle(handler, kind, headers, *address):
    """Calls a handler as an instrumented framework does, in a context of its own."""

    def handled():
        carrier, getter = kind(headers, *address)
        context = IncomingPropagator().extract(carrier, getter=getter)
        if kind is not aiohttp:  # whose instrumentor makes it the parent of its span, and no more
            otel_context.attach(context)
        return handler()

    return copy_context().run(handled)


def said(kind, headers, *address):
    """What is in force while a request is handled."""
    return handle(current, kind, headers, *address)


@pytest.mark.parametrize("kind", ALL)
def test_the_headers_are_in_force_in_the_handler(kind):
    found = said(kind, USER)
    assert (found.user, found.session, found.conversation) == ("ada", "s1", "c1")
    assert (found.operation, found.user_is_pseudonym, found.captures) == (None, False, False)


@pytest.mark.parametrize("kind", ALL)
def test_the_older_user_header_counts_where_the_other_is_missing_or_wrong(kind):
    assert said(kind, {"x-personal-user-id": "bob"}).user == "bob"
    assert said(kind, {"x-user-id": "ada", "x-personal-user-id": "bob"}).user == "ada"
    assert said(kind, {"x-user-id": " ", "x-personal-user-id": "bob"}).user == "bob"


@pytest.mark.parametrize(
    "wrong",
    ["", "   ", "a" * 257, "a\x00b", "a\tb", "a\x1b[31m", "caf\xe9", "ada,eve"],
    ids=lambda wrong: repr(wrong)[:12],
)
@pytest.mark.parametrize("kind", ALL)
def test_a_value_that_is_no_id_is_ignored_and_not_logged(kind, wrong, caplog):
    with caplog.at_level(logging.DEBUG):
        found = said(kind, {**USER, "x-user-id": wrong, "x-session-id": wrong})
    assert (found.user or "anon-").startswith("anon-")
    assert (found.session, found.conversation) == (None, "c1")
    assert caplog.records == []


def test_spaces_around_a_value_are_not_part_of_it_and_the_longest_fits():
    assert said(wsgi, {"x-user-id": f" {'a' * 256} "}).user == "a" * 256


def test_two_users_in_one_request_are_none():
    def two(_):
        scope, getter = asgi({})
        scope["headers"] = [(b"x-user-id", b"eve"), (b"x-user-id", b"ada"), (b"x-session-id", b"s1")]
        return scope, getter

    found = said(two, {})
    assert (found.user_is_pseudonym, found.session) == (True, "s1")


@pytest.mark.parametrize("kind", WITH_ADDRESS)
def test_a_client_without_a_user_has_an_anonymous_id(kind):
    def user(address, agent):
        found = said(kind, {"user-agent": agent}, address)
        assert found.user_is_pseudonym
        return found.user

    known = user("192.0.2.1", "Firefox")
    assert known == user("192.0.2.1", "Firefox")
    assert known.startswith("anon-")
    assert "192.0.2" not in known
    assert len({known, user("192.0.2.2", "Firefox"), user("192.0.2.1", "Chrome")}) == 3


def test_the_anonymous_id_is_the_same_in_every_framework_and_depends_on_the_key(tmp_path, monkeypatch):
    headers = {"user-agent": "Firefox"}
    ids = {said(kind, headers).user for kind in WITH_ADDRESS}
    assert len(ids) == 1
    monkeypatch.setenv("VIGILO_HOME", str(tmp_path / "elsewhere"))
    app_settings.cache_clear()
    assert said(wsgi, headers).user not in ids


@pytest.mark.parametrize(("kind", "address"), [(wsgi, ""), (asgi, ""), (aiohttp, ""), (tornado, None)])
def test_a_client_without_an_address_is_nobody(kind, address):
    """A user agent alone is that of thousands."""
    assert said(kind, {"user-agent": "Firefox"}, address) is None
    assert said(kind, {"user-agent": "Firefox", "x-session-id": "s1"}, address).user is None


def test_a_forwarded_address_counts_only_where_a_setting_says_so(monkeypatch):
    def user(forwarded):
        return said(wsgi, {"x-forwarded-for": forwarded, "user-agent": "Firefox"}).user

    direct = said(wsgi, {"user-agent": "Firefox"}).user
    assert user("198.51.100.7") == direct
    monkeypatch.setenv("VIGILO_TRUST_FORWARDED_FOR", "true")
    app_settings.cache_clear()
    forwarded = said(wsgi, {"user-agent": "Firefox"}, "198.51.100.7").user
    assert user("198.51.100.7") == user("198.51.100.7, 10.0.0.1") == user("198.51.100.7:4711") == forwarded != direct
    assert (
        user("[2001:db8::1]:4711") == user("2001:DB8::1") == said(wsgi, {"user-agent": "Firefox"}, "2001:db8::1").user
    )
    for wrong in ("", "unknown", "_hidden, 10.0.0.1", "300.1.1.1"):
        assert user(wrong) == direct


@pytest.mark.parametrize("kind", ALL)
def test_blocks_in_the_handler_win(kind):
    def handler():
        with vigilo.track(user="bob", operation="summary"):
            return current()

    inner, outer = handle(lambda: (handler(), current()), kind, USER)
    assert (inner.user, inner.session, inner.operation) == ("bob", "s1", "summary")
    assert (outer.user, outer.operation) == ("ada", None)


@pytest.mark.parametrize("kind", WITH_ADDRESS)
def test_the_request_wins_over_blocks_that_the_server_runs_in(kind):
    with vigilo.track(session="server", tags={"app": "shop"}):
        found = said(kind, {"x-user-id": "ada"})
        anonymous = said(kind, {})
    assert (found.user, found.session, found.tags) == ("ada", "server", {"app": "shop"})
    assert anonymous.user_is_pseudonym


@pytest.mark.parametrize("kind", WITH_ADDRESS)
def test_an_anonymous_client_gives_way_to_a_user_who_is_known(kind):
    with vigilo.track(user="ada"):
        found = said(kind, {})
    assert (found.user, found.user_is_pseudonym) == ("ada", False)


@pytest.mark.parametrize("kind", ALL)
def test_jobs_that_the_handler_gives_to_a_pool_have_the_request(kind):
    with ThreadPoolExecutor(1) as pool:
        inside = handle(lambda: pool.submit(current).result(), kind, USER)
        assert inside.user == "ada"
        assert pool.submit(current).result() is None


@pytest.mark.parametrize("carrier", [{}, {"traceparent": "x"}, [("x-user-id", b"ada")], None, object()])
def test_a_carrier_that_says_nothing_or_is_none_leaves_the_context_alone(carrier, monkeypatch, caplog):
    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    context = otel_context.set_value("app", 1)
    assert IncomingPropagator().extract(carrier, context) is context
    assert IncomingPropagator().extract(carrier) is otel_context.get_current()


def test_a_getter_that_fails_does_not_fail_the_request(monkeypatch, caplog):
    class Broken(Getter):
        def get(self, carrier, key):
            raise KeyError("ada@example.com")

        def keys(self, carrier):
            return []

    monkeypatch.delenv("VIGILO_RAISE_INTERNAL")
    context = otel_context.get_current()
    assert IncomingPropagator().extract({}, context, Broken()) is context
    assert "ada@example.com" not in caplog.text


def test_nothing_is_sent_on_and_nothing_is_in_baggage():
    carrier, getter = wsgi(USER)
    context = IncomingPropagator().extract(carrier, getter=getter)
    sent = {}
    IncomingPropagator().inject(sent, context)
    assert sent == {}
    assert IncomingPropagator().fields == set()
    assert baggage.get_all(context) == {}


def test_a_request_alone_does_not_turn_capture_on(telemetry, server, monkeypatch):
    with vigilo.track():
        pass  # the SDKs are hooked from here on
    with openai.OpenAI() as client:
        monkeypatch.setattr("vigilo.capture.recorder.default_recorder", lambda: pytest.fail("capture is on"))
        handle(lambda: client.chat.completions.create(**CHAT), wsgi, USER)
        vigilo.wrap(client, **telemetry.providers)
        handle(lambda: client.chat.completions.create(**CHAT), wsgi, USER)
    assert telemetry.span().attributes["session.id"] == "s1"


def test_the_span_has_a_pseudonym_of_the_user_and_the_anonymous_id_as_it_is(instrumented, server):
    anonymous = said(wsgi, {}).user
    with openai.OpenAI() as client:
        for headers in (USER, {}):
            handle(lambda: client.chat.completions.create(**CHAT), wsgi, headers)
    with openai.OpenAI() as client, vigilo.track(user="ada"):
        client.chat.completions.create(**CHAT)
    known, unknown, tracked = instrumented.spans()
    assert known.attributes["user.id"] == tracked.attributes["user.id"] != "ada"
    assert known.attributes["gen_ai.conversation.id"] == "c1"
    assert unknown.attributes["user.id"] == anonymous


def test_opentelemetry_finds_it_by_name():
    program = (
        "from opentelemetry import context, propagate\n"
        "from vigilo.capture.context import current\n"
        "context.attach(propagate.extract({'x-user-id': 'ada'}))\n"
        "print(current().user, type(propagate.get_global_textmap()._propagators[-1]).__name__)"
    )
    environment = {**os.environ, "OTEL_PROPAGATORS": "tracecontext,vigilo"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ada IncomingPropagator\n", "")
    assert propagate.get_global_textmap().fields == {"traceparent", "tracestate", "baggage"}
