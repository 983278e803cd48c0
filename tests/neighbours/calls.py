"""The calls that the app makes, by name: each SDK in each style, and what shows how a neighbour leaves its context."""

from __future__ import annotations

from functools import cache

import vigilo
from vigilo.testing import ProviderServer, ToolCall, Usage

SERVER = ProviderServer()
USAGE = Usage(input_tokens=120, output_tokens=40)
CALLS = {}

ADDRESS = "ada@example.com"
HELLO = f"Hello, I am {ADDRESS}"
ASKED = [{"role": "user", "content": HELLO}]
CHAT = {"model": "gpt-4o", "messages": ASKED}
COUNTED = {"stream_options": {"include_usage": True}}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": ASKED}
RESPONSE = {"model": "gpt-4o", "input": HELLO}
CONTENT = {"model": "gemini-2.5-flash", "contents": HELLO}


def call(function):
    CALLS[function.__name__] = function
    return function


@cache
def sdk(name):
    """A client of an SDK; one for all calls, as each takes a while to make."""
    import anthropic
    import openai
    from google import genai

    makers = {
        "openai": openai.OpenAI,
        "async openai": openai.AsyncOpenAI,
        "anthropic": anthropic.Anthropic,
        "async anthropic": anthropic.AsyncAnthropic,
        "google": genai.Client,
    }
    return makers[name]()


@cache
def langchain_model(**options):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="gpt-4o", **options)


async def read(stream):
    async for _ in stream:
        pass


@call
def chat():
    sdk("openai").chat.completions.create(**CHAT)


@call
def chat_stream():
    list(sdk("openai").chat.completions.create(**CHAT, **COUNTED, stream=True))


@call
async def chat_async():
    await sdk("async openai").chat.completions.create(**CHAT)


@call
async def chat_stream_async():
    await read(await sdk("async openai").chat.completions.create(**CHAT, **COUNTED, stream=True))


@call
def chat_raw():
    sdk("openai").chat.completions.with_raw_response.create(**CHAT).parse()


@call
def chat_parse():
    sdk("openai").chat.completions.parse(**CHAT)


@call
def chat_helper():
    with sdk("openai").chat.completions.stream(**CHAT, **COUNTED) as stream:
        stream.until_done()


@call
def responses():
    sdk("openai").responses.create(**RESPONSE)


@call
def responses_stream():
    list(sdk("openai").responses.create(**RESPONSE, stream=True))


@call
async def responses_async():
    await sdk("async openai").responses.create(**RESPONSE)


@call
def responses_helper():
    with sdk("openai").responses.stream(**RESPONSE) as stream:
        stream.until_done()


@call
def embeddings():
    sdk("openai").embeddings.create(model="text-embedding-3-small", input="Hello")


@call
def completions():
    sdk("openai").completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello")


@call
def images():
    sdk("openai").images.generate(model="gpt-image-1", prompt="A cat")


@call
def messages():
    sdk("anthropic").messages.create(**MESSAGE)


@call
def messages_stream():
    list(sdk("anthropic").messages.create(**MESSAGE, stream=True))


@call
async def messages_async():
    await sdk("async anthropic").messages.create(**MESSAGE)


@call
async def messages_stream_async():
    await read(await sdk("async anthropic").messages.create(**MESSAGE, stream=True))


@call
def messages_raw():
    sdk("anthropic").messages.with_raw_response.create(**MESSAGE).parse()


@call
def messages_helper():
    with sdk("anthropic").messages.stream(**MESSAGE) as stream:
        stream.get_final_message()


@call
def messages_beta():
    sdk("anthropic").beta.messages.create(**MESSAGE)


@call
def messages_parse():
    sdk("anthropic").messages.parse(**MESSAGE)


@call
def messages_count():
    sdk("anthropic").messages.count_tokens(model="claude-haiku-4-5", messages=ASKED)


@call
def generate():
    sdk("google").models.generate_content(**CONTENT)


@call
def generate_stream():
    list(sdk("google").models.generate_content_stream(**CONTENT))


@call
async def generate_async():
    await sdk("google").aio.models.generate_content(**CONTENT)


@call
async def generate_stream_async():
    await read(await sdk("google").aio.models.generate_content_stream(**CONTENT))


@call
def google_chat():
    sdk("google").chats.create(model="gemini-2.5-flash").send_message("Hello")


@call
def google_tools():
    """The SDK calls the function and asks again: two requests in one call of the app."""

    def weather(city: str) -> str:
        """Tells the weather."""
        return f"sunny in {city}"

    SERVER.reset()
    SERVER.reply(
        "", tool_calls=[ToolCall("weather", {"city": "Rome"})], usage=Usage(input_tokens=100, output_tokens=10)
    )
    SERVER.reply("Sunny.", usage=USAGE)
    sdk("google").models.generate_content(**CONTENT, config={"tools": [weather]})


@call
def google_interactions():
    sdk("google").interactions.create(model="gemini-2.5-flash", input="Hello")


@call
def google_interactions_stream():
    list(sdk("google").interactions.create(model="gemini-2.5-flash", input="Hello", stream=True))


@call
def google_embed():
    sdk("google").models.embed_content(model="gemini-embedding-001", contents="Hello")


@call
def google_count():
    sdk("google").models.count_tokens(**CONTENT)


@call
def open_stream():
    """Three calls while a stream is open: the neighbour may have left its context behind."""
    stream = sdk("anthropic").messages.create(**MESSAGE, stream=True)
    next(iter(stream))
    sdk("anthropic").messages.create(**MESSAGE)
    sdk("openai").chat.completions.create(**CHAT)
    list(sdk("openai").chat.completions.create(**CHAT, stream=True))
    list(stream)


@call
def entered_late():
    """A call between the making of a stream's manager and its request."""
    manager = sdk("anthropic").messages.stream(**MESSAGE)
    sdk("openai").chat.completions.create(**CHAT)
    with manager as stream:
        stream.get_final_message()


@call
def wrapped_client():
    """A client that alone is wrapped, while the neighbour's stream of another one is open."""
    wrapped = vigilo.wrap(sdk("openai"))
    stream = sdk("anthropic").messages.create(**MESSAGE, stream=True)
    next(iter(stream))
    wrapped.chat.completions.create(**CHAT)
    list(stream)


@call
def langchain():
    langchain_model().invoke("Hello")


@call
def langchain_stream():
    list(langchain_model(stream_usage=True).stream("Hello"))


@call
async def langchain_async():
    await langchain_model().ainvoke("Hello")


@call
async def langchain_stream_async():
    await read(langchain_model(stream_usage=True).astream("Hello"))


@call
def langchain_twice():
    """Two calls of one model: each is its own."""
    langchain_model().invoke("Hello")
    langchain_model().invoke("Hello again")


@call
def langchain_embeddings():
    from langchain_openai import OpenAIEmbeddings

    OpenAIEmbeddings(check_embedding_ctx_length=False).embed_query("Hello")
