"""The provider of a client, from its class or its host."""

import anthropic
import openai
import pytest

from vigilo.capture.providers import account_of, host_provider, stainless_origin

HOSTS = {
    "https://api.openai.com/v1": "openai",
    "https://eu.api.openai.com/v1": "openai",
    "https://openrouter.ai/api/v1": "openrouter",
    "https://api.deepseek.com": "deepseek",
    "https://api.x.ai/v1": "x_ai",
    "https://us-east-1.api.x.ai/v1": "x_ai",
    "https://api.mistral.ai/v1": "mistral_ai",
    "https://api.groq.com/openai/v1": "groq",
    "https://api.together.xyz/v1": "together",
    "https://api.fireworks.ai/inference/v1": "fireworks",
    "https://api.perplexity.ai": "perplexity",
    "https://api.moonshot.ai/v1": "moonshot_ai",
    "https://api.cerebras.ai/v1": "cerebras",
    "https://integrate.api.nvidia.com/v1": "nvidia",
    "https://shop.openai.azure.com/openai/v1": "azure.ai.openai",
    "https://shop.services.ai.azure.com/openai/v1": "azure.ai.openai",
    "https://shop.services.ai.azure.com/models": "azure.ai.inference",
    "https://shop.cognitiveservices.azure.com/openai/v1": "azure.ai.openai",
    "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1": "aws.bedrock",
    "https://bedrock-runtime-fips.us-east-1.amazonaws.com/openai/v1": "aws.bedrock",
    "https://bedrock-mantle.eu-west-1.api.aws/v1": "aws.bedrock",
    "https://generativelanguage.googleapis.com/v1beta/openai": "gcp.gemini",
    "https://aiplatform.googleapis.com/v1": "gcp.vertex_ai",
    "https://europe-west1-aiplatform.googleapis.com/v1": "gcp.vertex_ai",
    "https://aiplatform.eu.rep.googleapis.com/v1": "gcp.vertex_ai",
    "http://localhost:11434/v1": "ollama",
    "http://localhost:8000/v1": "openai",
    "http://localhost:1234/v1": "openai",
    "https://llm.shop.example/v1": "openai",
    "https://api.openai.com.example/v1": "openai",
    "https://notbedrock.example/v1": "openai",
}


@pytest.mark.parametrize(("base_url", "provider"), HOSTS.items())
def test_the_host_tells_the_provider(base_url, provider):
    with openai.OpenAI(api_key="any", base_url=base_url) as client:
        origin = stainless_origin(client, "openai")
    assert origin.provider == provider
    assert origin.server_address in base_url
    assert origin.server_port in (443, 11434, 8000, 1234)


def test_an_unknown_host_is_nobodys():
    assert host_provider("llm.shop.example") is None
    assert host_provider("amazonaws.com.example") is None


def test_the_class_tells_before_the_host():
    with openai.AzureOpenAI(api_key="k", api_version="2025-04-01-preview", base_url="https://api.x.ai") as client:
        assert stainless_origin(client, "openai").provider == "azure.ai.openai"


def test_only_the_sdks_own_classes_tell():
    class NotAzure(openai.OpenAI):
        pass

    class Ours(anthropic.AnthropicVertex):
        pass

    with NotAzure(api_key="k") as client:
        assert stainless_origin(client, "openai").provider == "openai"
    with Ours(region="us-east5", project_id="p", access_token="t") as client:
        assert stainless_origin(client, "anthropic").provider == "gcp.vertex_ai"


def test_another_address_is_another_provider():
    with openai.OpenAI(api_key="k", base_url="https://api.groq.com/openai/v1") as client:
        assert stainless_origin(client, "openai").provider == "groq"
        client.base_url = "https://api.deepseek.com"
        assert stainless_origin(client, "openai").provider == "deepseek"


def test_keys_are_told_apart_and_not_told():
    one, two = account_of("sk-one"), account_of("sk-two")
    assert one == account_of("sk-one") != two
    assert len(one) == 12
    assert account_of(None) is account_of("") is account_of(lambda: "sk") is None
    with openai.OpenAI(api_key="sk-one") as client, openai.OpenAI(api_key="sk-two") as other:
        assert stainless_origin(client, "openai").account == one
        assert stainless_origin(other, "openai").account == two
        client.api_key = "sk-two"
        assert stainless_origin(client, "openai").account == two
