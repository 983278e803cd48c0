"""Traffic that the providers really sent, through the real SDKs: one span for each call, with the recorded tokens.

Every file of the folder is replayed, so a new one is tested as it comes.
"""

import inspect
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

import anthropic
import openai
import pytest
from google import genai
from google.oauth2.credentials import Credentials
from pydantic import ValidationError

from .recorded import operation_and_facts, read_cassette

pytestmark = [
    pytest.mark.needs_shared,
    # The recorded models are retired one after the other, and the SDKs warn of it.
    pytest.mark.filterwarnings("ignore:The model:DeprecationWarning"),
]

FOLDER = Path(__file__).parents[3].parent / "shared" / "data" / "cassettes"
CASSETTES = sorted(FOLDER.glob("*/*.yaml"))
ATTRIBUTES = {
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_write.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
    "audio_input": "gen_ai.usage.audio.input_tokens",
}
OPENAI_METHODS = {
    "/chat/completions": lambda client: client.chat.completions.create,
    "/responses": lambda client: client.responses.create,
    "/responses/input_tokens": lambda client: client.responses.input_tokens.count,
    "/embeddings": lambda client: client.embeddings.create,
    "/images/generations": lambda client: client.images.generate,
}
ANTHROPIC_METHODS = {
    "/messages": lambda client: client.messages.create,
    "/messages?beta=true": lambda client: client.beta.messages.create,
    "/messages/count_tokens?beta=true": lambda client: client.beta.messages.count_tokens,
}


def drain(answer):
    """Reads a stream to its end; embeddings and the like are no streams, though they may be read in a loop."""
    if hasattr(answer, "close"):
        for _ in answer:
            pass


def call_with(method, sent):
    """Calls a method of an SDK with a recorded body; fields that it does not take go into the body past it."""
    known = inspect.signature(method).parameters
    extra = {name: value for name, value in sent.items() if name not in known}
    taken = {name: value for name, value in sent.items() if name in known}
    return method(**taken, extra_body=extra or None)


def replay_stainless(sdk, client, methods, recorded):
    method = methods.get(recorded.path.removeprefix("/v1") + recorded.query)
    found = None
    with suppress(AttributeError):
        found = method and method(client)
    if found is not None:
        drain(call_with(found, recorded.sent))
        return
    # Other paths, and methods that an older SDK lacks, go through the client's own verbs, which all its methods use.
    path = recorded.path.removeprefix(client.base_url.path.rstrip("/"))
    if recorded.method != "POST":
        getattr(client, recorded.method.lower())(path, cast_to=object)
    elif isinstance(recorded.sent, bytes):
        form = {"headers": {"Content-Type": "multipart/form-data"}}
        client.post(path, cast_to=object, body={}, files={"file": ("data.csv", recorded.sent)}, options=form)
    else:
        streaming = {"stream": True, "stream_cls": sdk.Stream[object]} if recorded.streamed else {}
        drain(client.post(path, cast_to=object, body=recorded.sent, **streaming))


def replay_openai(recorded):
    with openai.OpenAI(max_retries=0) as client:
        replay_stainless(openai, client, OPENAI_METHODS, recorded)


def replay_anthropic(recorded):
    with anthropic.Anthropic(max_retries=0) as client:
        replay_stainless(anthropic, client, ANTHROPIC_METHODS, recorded)


@contextmanager
def google_client(**options):
    client = genai.Client(**options)
    yield client
    # Before 1.40 a client cannot be closed.
    (client if hasattr(client, "close") else client._api_client._httpx_client).close()


def replay_google(recorded):
    version, *_ = recorded.path.removeprefix("/").split("/")
    options = {"http_options": {"base_url": os.environ["GOOGLE_GEMINI_BASE_URL"], "api_version": version}}
    if recorded.vertex:
        _, project, location = re.match(r"(/v1\w*)/projects/(.+?)/locations/(.+?)/", recorded.path).groups()
        credentials = Credentials("token")
        options |= {"vertexai": True, "project": project, "location": location, "credentials": credentials}
    with google_client(**options) as client:
        if recorded.path.endswith("/interactions"):
            if not hasattr(client, "interactions"):
                pytest.skip("this SDK has no interactions")
            drain(client.interactions.create(**recorded.sent))
            return
        sent = dict(recorded.sent)
        contents, config = sent.pop("contents"), sent.pop("generationConfig", {})
        model, method = recorded.path.rpartition("/models/")[2].split(":")
        generate = {
            "generateContent": client.models.generate_content,
            "streamGenerateContent": client.models.generate_content_stream,
        }
        try:
            drain(generate[method](model=model, contents=contents, config={**config, **sent}))
        except ValidationError:  # an older SDK has no types for all that was sent, but a transport
            publisher = "publishers/google/" if recorded.vertex else ""
            client._api_client.request("post", f"{publisher}models/{model}:{method}", recorded.sent)


REPLAYS = {"openai": replay_openai, "anthropic": replay_anthropic, "google": replay_google}
ERRORS = (openai.APIStatusError, anthropic.APIStatusError, genai.errors.APIError)


def check(span, operation, facts, recorded):
    told = dict(span.attributes)
    assert told["gen_ai.operation.name"] == operation
    assert (span.status.status_code.name == "ERROR") is (recorded.status >= 400)
    assert told.get("http.response.status_code") == (recorded.status if recorded.status >= 400 else None)
    assert told.get("gen_ai.response.model") == facts.model
    assert told.get("gen_ai.response.id") == facts.id
    assert told.get("gen_ai.response.finish_reasons", ()) == facts.reasons
    counts = [told.get(f"gen_ai.usage.{kind}_tokens") for kind in ("input", "output")]
    if told.get("vigilo.usage.estimated"):  # only where nobody asked the provider to count
        assert recorded.streamed
        assert (facts.input_tokens, facts.output_tokens) == (None, None)
        assert all(counts)
    else:
        assert counts == [facts.input_tokens, facts.output_tokens]
    assert {kind: told[name] for kind, name in ATTRIBUTES.items() if name in told} == facts.parts
    if isinstance(recorded.sent, dict) and "model" in recorded.sent:
        assert told["gen_ai.request.model"] == recorded.sent["model"]


def test_there_are_cassettes_of_all_three():
    assert {path.parent.name for path in CASSETTES} == set(REPLAYS)


@pytest.mark.parametrize("cassette", CASSETTES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recorded_call_is_one_span_with_the_recorded_tokens(instrumented, server, cassette):
    interactions = read_cassette(cassette)
    assert interactions
    for recorded in interactions:
        server.raw(recorded.status, recorded.headers, recorded.body)
        instrumented.spans_exporter.clear()
        if recorded.status >= 400:
            with pytest.raises(ERRORS):
                REPLAYS[recorded.company](recorded)
        else:
            REPLAYS[recorded.company](recorded)
        expected = operation_and_facts(recorded)
        if expected is None:
            assert instrumented.spans() == []
        else:
            check(instrumented.span(), *expected, recorded)
    paths = [request.path.partition("?")[0] for request in server.requests]
    assert paths == [recorded.path for recorded in interactions]
