"""A local LLM provider on the wire of OpenAI, Anthropic and Google: run an app without a key and without a network.

    with ProviderServer() as server:
        client = openai.OpenAI(base_url=server.openai_url, api_key="any")
        server.fail(429, retry_after_s=0.01)
        server.reply("Hello, Ada!", usage=Usage(input_tokens=12, output_tokens=4))
        client.chat.completions.create(...)  # fails once, is retried by the SDK, and gets the reply
        assert len(server.requests) == 2

``server.limit(60)`` enforces a rate limit, as providers do: 429 with the time to come back, and headers that tell
what is left; a ``Neighbour`` takes a share of it. Answers that are not scripted are made from the prompt, the same each
time. ``python -m vigilo.testing --port 8081`` serves them to apps in any language.
"""

from vigilo.capture.call import Usage
from vigilo.testing.rate_limit import Neighbour
from vigilo.testing.script import ReceivedRequest, Reply, ToolCall
from vigilo.testing.server import ProviderServer

__all__ = ["Neighbour", "ProviderServer", "ReceivedRequest", "Reply", "ToolCall", "Usage"]
