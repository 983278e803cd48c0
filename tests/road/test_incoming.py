"""Web apps that know nothing of vigilo: each stored call tells whom the request was from, and the provider is not told.

FastAPI is instrumented by `opentelemetry-instrument`. Flask is under OpenTelemetry's WSGI middleware, which hands over
the same carrier as Flask's own instrumentor does.
"""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from vigilo.policy.pseudonym import load_key, user_pseudonym

FASTAPI = """
import os, socket, threading
import openai, uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse

app = FastAPI()
client, async_client = openai.OpenAI(), openai.AsyncOpenAI()

def asked(prompt):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}

@app.get("/async", response_class=PlainTextResponse)
async def in_the_loop(prompt: str):
    return (await async_client.chat.completions.create(**asked(prompt))).choices[0].message.content

@app.get("/sync", response_class=PlainTextResponse)
def in_a_thread(prompt: str):
    return client.chat.completions.create(**asked(prompt)).choices[0].message.content

@app.get("/stream")
async def streamed(prompt: str):
    async def chunks():
        async for chunk in await async_client.chat.completions.create(stream=True, **asked(prompt)):
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""
    return StreamingResponse(chunks(), media_type="text/plain")

@app.get("/stop")
def stop():
    server.should_exit = True

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
server.run(sockets=[listening])
"""
FLASK = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
import openai
from flask import Flask, Response, request
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)
client, pool = openai.OpenAI(), ThreadPoolExecutor(2)

def answer(**options):
    prompt = request.args["prompt"]
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages, **options)

@app.get("/sync")
def in_the_handler():
    return answer().choices[0].message.content

@app.get("/pool")
def in_a_pool():
    messages = [{"role": "user", "content": request.args["prompt"]}]
    job = pool.submit(client.chat.completions.create, model="gpt-4o-mini", messages=messages)
    return job.result().choices[0].message.content

@app.get("/stream")
def streamed():
    chunks = answer(stream=True)
    return Response((chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), mimetype="text/plain")

@app.get("/stop")
def stop():
    threading.Thread(target=server.shutdown).start()
    return ""

class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass

server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
client.close()
"""
FRAMEWORKS = {
    "fastapi": (FASTAPI, ["/async", "/sync", "/stream"]),
    "flask": (FLASK, ["/sync", "/pool", "/stream"]),
}


class Client:
    """Sends requests to the app, from one address and with one user agent."""

    def __init__(self, port, address="127.0.0.1", agent="Firefox"):
        self._port, self._address, self._agent = port, address, agent

    def get(self, path, prompt, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60, source_address=(self._address, 0))
        try:
            named = {f"X-{name.replace('_', '-').title()}": value for name, value in headers.items()}
            connection.request("GET", f"{path}?prompt={prompt}", headers={"User-Agent": self._agent, **named})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return answer.read().decode()
        finally:
            connection.close()


@contextmanager
def serving(road, script, **variables):
    app = road.start(script, **variables)
    port = int(app.stdout.readline())
    try:
        yield port
        Client(port).get("/stop", "")
        _, err = app.communicate(timeout=60)
        assert (app.returncode, err) == (0, "")
    finally:
        app.kill()
        app.communicate()


def stored(road):
    """What is stored of each call, by its prompt."""
    (rows,) = road.query("SELECT SpanAttributes AS told FROM otel_traces WHERE SpanName = 'chat gpt-4o-mini'")
    calls = [row["told"] for row in rows]
    return {json.loads(told["gen_ai.input.messages"])[0]["parts"][0]["content"]: told for told in calls}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_calls_tell_whom_the_request_was_from(road, server, framework):
    script, paths = FRAMEWORKS[framework]
    users = [f"user-{number}" for number in range(12)]

    def visit(number):
        client, path = Client(port), paths[number % len(paths)]
        user = users[number]
        named = {"personal_user_id": user} if number % 4 == 0 else {"user_id": user, "personal_user_id": "nobody"}
        client.get(path, f"named-{number}", **named, session_id=f"s{number}", conversation_id=f"c{number}")

    with serving(road, script, **server.environment()) as port:
        with ThreadPoolExecutor(6) as together:
            list(together.map(visit, range(len(users))))
        firefox, elsewhere = Client(port), Client(port, address="127.0.0.2")
        for path in paths:
            firefox.get(path, f"firefox{path[1:]}")
            Client(port, agent="Chrome").get(path, f"chrome{path[1:]}")
            elsewhere.get(path, f"elsewhere{path[1:]}", forwarded_for="127.0.0.1")  # not believed
            firefox.get(path, f"again{path[1:]}", session_id="later")

    told = stored(road)
    key = load_key(road.home)
    for number, user in enumerate(users):
        call = told[f"named-{number}"]
        assert call["user.id"] == user_pseudonym(user, key)
        assert call["session.id"] == f"s{number}"
        assert call["gen_ai.conversation.id"] == f"c{number}"

    def ids(name):
        return {told[f"{name}{path[1:]}"]["user.id"] for path in paths}

    assert len(ids("firefox")) == len(ids("chrome")) == len(ids("elsewhere")) == 1
    assert ids("firefox") == ids("again")
    assert len(ids("firefox") | ids("chrome") | ids("elsewhere")) == 3
    assert all(user.startswith("anon-") for user in ids("firefox") | ids("elsewhere"))
    assert "session.id" not in told[f"firefox{paths[0][1:]}"]
    assert told[f"again{paths[0][1:]}"]["session.id"] == "later"

    sent = [str(received.headers) for received in server.requests]
    assert len(sent) == len(users) + 4 * len(paths)
    secrets = ["user-id", "session-id", "conversation-id", "user-1", "anon-", "u_", "later", "baggage"]
    assert [secret for secret in secrets for headers in sent if secret in headers.lower()] == []


def test_the_users_choice_of_propagators_wins(road, server):
    with serving(road, FASTAPI, OTEL_PROPAGATORS="tracecontext,baggage", **server.environment()) as port:
        Client(port).get("/async", "hello", user_id="ada", session_id="s1")
    call = stored(road)["hello"]
    assert "user.id" not in call
    assert "session.id" not in call


def test_the_propagator_comes_beside_those_of_opentelemetry(road):
    out = road.run(
        "import os\n"
        "from opentelemetry import propagate\n"
        "sent = {}\n"
        "from opentelemetry import baggage, trace\n"
        "with trace.get_tracer('app').start_as_current_span('app'):\n"
        "    propagate.inject(sent, baggage.set_baggage('k', 'v'))\n"
        "print(sorted(sent), 'OTEL_PROPAGATORS' in os.environ)\n"
    )
    assert out == "['baggage', 'traceparent'] False\n"
