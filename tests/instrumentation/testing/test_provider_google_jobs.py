"""The local provider's caches, batches, pictures, films and token lists through Google's own SDK."""

from __future__ import annotations

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from vigilo.testing import ProviderServer, Usage

MODEL = "gemini-2.5-flash"
ASKED = [{"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}]
pytestmark = pytest.mark.filterwarnings("ignore:The .* method")  # the SDK calls some of its methods deprecated


@pytest.fixture
def project_client(server: ProviderServer):
    """A client of Vertex AI with a project, as batches and films want it."""
    where = {"project": "p", "location": "us-central1", "credentials": Credentials(token="any")}
    client = genai.Client(vertexai=True, http_options={"base_url": server.google_url}, **where)
    yield client
    (client if hasattr(client, "close") else client._api_client._httpx_client).close()


def test_a_cache_keeps_tokens(server: ProviderServer, google_client: genai.Client) -> None:
    server.reply(usage=Usage(input_tokens=2048))
    config = {"contents": [types.Content(role="user", parts=[types.Part(text="a book")])]}
    cache = google_client.caches.create(model=MODEL, config=config)
    assert cache.name.startswith("cachedContents/")
    assert (cache.model, cache.usage_metadata.total_token_count) == (f"models/{MODEL}", 2048)


def test_a_batch_is_done_when_it_is_fetched(server: ProviderServer, google_client: genai.Client) -> None:
    job = google_client.batches.create(model=MODEL, src=ASKED)
    assert job.state == types.JobState.JOB_STATE_PENDING
    server.reply("Hi", usage=Usage(input_tokens=120, output_tokens=40))
    done = google_client.batches.get(name=job.name)
    assert done.state == types.JobState.JOB_STATE_SUCCEEDED
    (answer,) = done.dest.inlined_responses
    assert answer.response.text == "Hi"
    assert answer.response.usage_metadata.prompt_token_count == 120


def test_a_batch_of_vertex_leaves_its_answers_in_a_bucket(project_client: genai.Client) -> None:
    job = project_client.batches.create(model=MODEL, src="gs://bucket/in.jsonl", config={"dest": "gs://bucket/out"})
    assert job.name == "projects/p/locations/us-central1/batchPredictionJobs/1"
    done = project_client.batches.get(name=job.name)
    assert (done.name, done.state) == (job.name, types.JobState.JOB_STATE_SUCCEEDED)


def test_pictures_are_made_or_filtered(server: ProviderServer, vertex_client: genai.Client) -> None:
    asked = {"model": "imagen-4.0-generate-001", "prompt": "a cat"}
    made = vertex_client.models.generate_images(**asked, config={"number_of_images": 2})
    assert [one.image.image_bytes[:4] for one in made.generated_images] == [b"\x89PNG", b"\x89PNG"]
    server.reply(finish_reason="content_filter")
    config = {"include_rai_reason": True}
    (filtered,) = vertex_client.models.generate_images(**asked, config=config).generated_images
    assert filtered.rai_filtered_reason == "The prompt was filtered."


def test_a_film_is_an_operation(project_client: genai.Client) -> None:
    operation = project_client.models.generate_videos(model="veo-3.0-generate-001", prompt="a cat")
    assert operation.name == "models/veo-3.0-generate-001/operations/000001"
    assert not operation.done


def test_tokens_are_listed_word_by_word(vertex_client: genai.Client) -> None:
    listed = vertex_client.models.compute_tokens(model=MODEL, contents="one two three")
    assert [message.token_ids for message in listed.tokens_info] == [[0, 1, 2]]
