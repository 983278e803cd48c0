"""A small support desk on three LLM providers, as an app would write it: sync, async and streamed calls, and a tool.

The only telemetry in it is ``vigilo.track``, which says for whom and for what the calls are made. Run it with

    opentelemetry-instrument python examples/chat.py

and read with ``vigilo report`` what it did. A provider without a key in the environment is skipped; ``vigilo demo``
runs this file against a local provider that needs no key.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types

import vigilo

GPT = "gpt-4o-mini"
EMBEDDING = "text-embedding-3-small"
CLAUDE = "claude-haiku-4-5"
GEMINI = "gemini-2.5-flash"

WEATHER_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Today's weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUEUE_SCHEMA = {
    "type": "object",
    "properties": {"queue": {"type": "string", "enum": ["shipping", "refund", "other"]}},
    "required": ["queue"],
    "additionalProperties": False,
}
QUEUE_FORM: Any = {"type": "json_schema", "json_schema": {"name": "ticket", "strict": True, "schema": QUEUE_SCHEMA}}


def get_weather(city: str) -> str:
    return f"24 degrees and sunny in {city}"


def say(who: str, text: str | None) -> None:
    print(f"  {who:<11} {text}")


def ask_openai() -> None:
    with openai.OpenAI() as client, vigilo.track(user="ada", conversation="parcel-1001", operation="support"):
        messages = parcel_chat(client)
        weather_by_tool(client, messages)
        with vigilo.track(operation="search"):
            search(client)
        with vigilo.track(operation="summary"):
            summarize(client, messages)
            translate(client)
    asyncio.run(sort_tickets())


def parcel_chat(client: openai.OpenAI) -> list[Any]:
    """Two turns of a conversation; the second is streamed."""
    messages: list[Any] = [
        {"role": "system", "content": "You are the friendly support desk of a small shop. Answer in one sentence."},
        {"role": "user", "content": "My order 1001 is late. Write to ada@example.com or call +1 415-555-2671."},
    ]
    say("Ada", messages[-1]["content"])
    answer = client.chat.completions.create(model=GPT, messages=messages, temperature=0.2)
    say(GPT, answer.choices[0].message.content)

    messages.append({"role": "assistant", "content": answer.choices[0].message.content})
    messages.append({"role": "user", "content": "When will the parcel be here?"})
    say("Ada", messages[-1]["content"])
    stream = client.chat.completions.create(model=GPT, messages=messages, stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    say(GPT, "".join(pieces))
    messages.append({"role": "assistant", "content": "".join(pieces)})
    return messages


def weather_by_tool(client: openai.OpenAI, messages: list[Any]) -> None:
    """The model asks for a tool, gets its result and answers with it."""
    messages.append({"role": "user", "content": "What is the weather in Lisbon, where it is sent from?"})
    say("Ada", messages[-1]["content"])
    asked = client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL])
    messages.append(asked.choices[0].message.model_dump(exclude_none=True))
    for call in asked.choices[0].message.tool_calls or ():
        result = get_weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    answer = client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL])
    say(GPT, answer.choices[0].message.content)


def search(client: openai.OpenAI) -> None:
    articles = ["Track a parcel", "Ask for a refund", "Change a delivery address"]
    question = "Where is my parcel?"
    vectors = [item.embedding for item in client.embeddings.create(model=EMBEDDING, input=[question, *articles]).data]
    scores = [sum(a * b for a, b in zip(vectors[0], vector, strict=True)) for vector in vectors[1:]]
    say("search", f"nearest article: {articles[scores.index(max(scores))]}")


def summarize(client: openai.OpenAI, messages: list[Any]) -> None:
    said = "\n".join(f"{m['role']}: {m['content']}" for m in messages if m.get("content"))
    response = client.responses.create(
        model=GPT, instructions="Write a summary of one sentence.", input=f"Summarize for the shop:\n{said}"
    )
    say("summary", response.output_text)


def translate(client: openai.OpenAI) -> None:
    """The app goes on when a call fails for good, as any app must."""
    note = "Translate this note to French: thank you for your patience."
    try:
        say("French", client.responses.create(model=GPT, input=note).output_text)
    except openai.APIStatusError as error:
        say("French", f"not now: {error.status_code} from the provider")


async def sort_tickets() -> None:
    """Tickets of two users at the same time; each call is counted for its own."""
    tickets = {"ada": "My order arrived with a scratch.", "grace": "I would like a refund for order 2002."}
    async with openai.AsyncOpenAI() as client:

        async def sort(user: str, text: str) -> str:
            with vigilo.track(user=user, operation="sort"):
                answer = await client.chat.completions.create(
                    model=GPT,
                    messages=[{"role": "user", "content": f"Sort this ticket into a queue: {text}"}],
                    response_format=QUEUE_FORM,
                )
            return answer.choices[0].message.content or ""

        for user, queue in zip(tickets, await asyncio.gather(*map(sort, tickets, tickets.values())), strict=True):
            say("queue", f"{user}: {queue}")


def ask_anthropic() -> None:
    with anthropic.Anthropic() as client, vigilo.track(user="grace", conversation="refund-2002", operation="support"):
        refund_chat(client)
    asyncio.run(draft_mail())


def refund_chat(client: anthropic.Anthropic) -> None:
    """Two turns; the SDK retries by itself when the provider is busy. The second is read with the stream helper."""
    text = "Please refund order 2002 to my card 4111 1111 1111 1111."
    say("Grace", text)
    messages: list[Any] = [{"role": "user", "content": text}]
    answer = client.messages.create(model=CLAUDE, max_tokens=300, messages=messages)
    said = "".join(block.text for block in answer.content if block.type == "text")
    say("claude", said)

    messages.append({"role": "assistant", "content": said})
    messages.append({"role": "user", "content": "Thanks! Send the receipt for this order to grace@example.org."})
    say("Grace", messages[-1]["content"])
    with client.messages.stream(model=CLAUDE, max_tokens=300, messages=messages) as stream:
        say("claude", "".join(stream.text_stream))


async def draft_mail() -> None:
    async with anthropic.AsyncAnthropic() as client:
        with vigilo.track(user="grace", operation="draft"):
            answer = await client.messages.create(
                model=CLAUDE,
                max_tokens=300,
                system="You write mails for the support desk.",
                messages=[{"role": "user", "content": "Draft one sentence that says the refund is on its way."}],
            )
        say("draft", "".join(block.text for block in answer.content if block.type == "text"))


def ask_google() -> None:
    with genai.Client() as client, vigilo.track(user="ada", conversation="trip-3003", operation="plan"):
        text = "Plan a day in Lisbon for me."
        say("Ada", text)
        config = types.GenerateContentConfig(system_instruction="Answer in one sentence.", temperature=0.4)
        answer = client.models.generate_content(model=GEMINI, contents=text, config=config)
        say("gemini", answer.text)

        text = "Will the weather hold? Text me at +1 415-555-2671."
        say("Ada", text)
        stream = client.models.generate_content_stream(model=GEMINI, contents=text, config=config)
        say("gemini", "".join(chunk.text or "" for chunk in stream))
    asyncio.run(title())


async def title() -> None:
    async with genai.Client().aio as client:
        with vigilo.track(user="ada", conversation="trip-3003", operation="title"):
            answer = await client.models.generate_content(model=GEMINI, contents="A title for this day in Lisbon?")
        say("title", answer.text)


def main() -> None:
    for provider, variables, ask in (
        ("OpenAI", ("OPENAI_API_KEY",), ask_openai),
        ("Anthropic", ("ANTHROPIC_API_KEY",), ask_anthropic),
        ("Google", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), ask_google),
    ):
        if any(os.environ.get(variable) for variable in variables):
            print(provider)
            ask()
        else:
            print(f"{provider}: skipped, since {' or '.join(variables)} is not in the environment")


if __name__ == "__main__":
    main()
