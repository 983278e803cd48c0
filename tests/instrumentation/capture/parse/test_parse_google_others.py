"""What Google's API does besides answering: vectors, token counts, caches, pictures, films and batches."""

import pytest

from vigilo.capture.call import Usage
from vigilo.capture.parse.endpoint import Origin
from vigilo.capture.parse.google_batch import BATCH, BATCH_DONE
from vigilo.capture.parse.google_embeddings import EMBED
from vigilo.capture.parse.google_media import IMAGES, VIDEOS
from vigilo.capture.parse.google_tokens import COUNT_TOKENS, CREATE_CACHE

GEMINI = Origin("gcp.gemini", "generativelanguage.googleapis.com", 443)


@pytest.mark.parametrize(
    "body",
    [
        {"requests": [{"outputDimensionality": 8}, {"outputDimensionality": 8}]},
        {"instances": [{"content": "Hi"}], "parameters": {"outputDimensionality": 8}},
        {"content": {"parts": [{"text": "Hi"}]}, "outputDimensionality": 8},
        {"content": {"parts": [{"text": "Hi"}]}, "embedContentConfig": {"outputDimensionality": 8}},
    ],
)
def test_the_size_of_vectors_is_found_where_each_endpoint_has_it(body):
    request = EMBED.request(GEMINI, body, True)
    assert (request.operation, request.parameters) == ("embeddings", {"gen_ai.embeddings.dimension.count": 8})
    assert request.input == ()


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"predictions": [{"embeddings": {"statistics": {"token_count": n}}} for n in (3, 4)]}, 7),
        ({"predictions": [{"embeddings": {"statistics": {"token_count": 3.0}}}]}, 3),
        ({"predictions": [{"embeddings": {"statistics": {"token_count": 3}}}, {"embeddings": {}}]}, None),
        ({"embeddings": [{"values": [0.1]}], "usageMetadata": {"promptTokenCount": 5}}, 5),
        ({"embeddings": [{"values": [0.1]}]}, None),
        (None, None),
    ],
)
def test_tokens_of_embeddings(body, tokens):
    used = EMBED.response(body, True).usage
    assert used == Usage(input_tokens=tokens)
    assert type(used.input_tokens) is type(tokens)


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ({"totalTokens": 31, "cachedContentTokenCount": 8}, {"vigilo.counted.input_tokens": 31}),
        ({"tokensInfo": [{"tokenIds": ["1", "2"]}, {"tokenIds": ["3"]}]}, {"vigilo.counted.input_tokens": 3}),
        ({}, {}),
    ],
)
def test_counted_tokens_are_no_usage(body, counted):
    response = COUNT_TOKENS.response(body, True)
    assert response.usage == Usage()
    assert response.attributes == counted


def test_what_is_counted_is_not_taken_as_content():
    request = COUNT_TOKENS.request(GEMINI, {"contents": [{"parts": [{"text": "secret"}]}]}, True)
    assert (request.operation, request.input) == ("count_tokens", ())


def test_a_cache_tells_what_it_keeps_and_not_that_it_was_used():
    body = {"model": "models/gemini-2.5-flash", "contents": [{"role": "user", "parts": [{"text": "a book"}]}]}
    request = CREATE_CACHE.request(GEMINI, body, True)
    assert (request.operation, request.model) == ("create_cache", "gemini-2.5-flash")
    assert request.input == ({"role": "user", "parts": [{"type": "text", "content": "a book"}]},)
    response = CREATE_CACHE.response(
        {"name": "cachedContents/1", "model": "models/gemini-2.5-flash", "usageMetadata": {"totalTokenCount": 4096}},
        True,
    )
    assert (response.id, response.model, response.usage) == ("cachedContents/1", "gemini-2.5-flash", Usage())
    assert response.attributes == {"vigilo.cache.stored_tokens": 4096}


def test_a_picture_is_made_or_changed():
    made = IMAGES.request(GEMINI, {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}, True)
    assert made.operation == "image_generation"
    assert made.parameters == {"gen_ai.output.type": "image", "gen_ai.request.choice.count": 2}
    assert made.input == ({"role": "user", "parts": [{"type": "text", "content": "a cat"}]},)
    changed = IMAGES.request(GEMINI, {"instances": [{"prompt": "a hat", "referenceImages": [{}]}]}, False)
    assert (changed.operation, changed.input) == ("image_edit", ())


@pytest.mark.parametrize(
    ("body", "reasons", "made"),
    [
        ({"predictions": [{"bytesBase64Encoded": "AAAA"}] * 2}, ("stop",), 2),
        ({"predictions": [{"raiFilteredReason": "no"}]}, ("content_filter",), None),
        ({}, ("content_filter",), None),
    ],
)
def test_a_picture_that_was_not_made_says_so_and_costs_nothing(body, reasons, made):
    response = IMAGES.response(body, True)
    assert (response.finish_reasons, response.output, response.usage) == (reasons, (), Usage(output_images=made))


def test_a_film_is_only_begun():
    request = VIDEOS.request(GEMINI, {"instances": [{"prompt": "a cat"}], "parameters": {"seed": 7}}, True)
    assert request.operation == "video_generation"
    assert request.parameters == {"gen_ai.output.type": "video", "gen_ai.request.seed": 7}
    assert VIDEOS.response({"name": "operations/1"}, True).id == "operations/1"


def inlined(*usages):
    answers = [{"response": {"usageMetadata": used}} for used in usages]
    return {"inlinedResponses": {"inlinedResponses": answers}}


def job(name, output=None):
    metadata = {"model": "models/gemini-2.5-flash", "state": "BATCH_STATE_SUCCEEDED"}
    return {"name": name, "metadata": metadata if output is None else {**metadata, "output": output}}


def test_a_batch_that_is_created_uses_nothing_yet():
    assert BATCH.request(GEMINI, {"model": "publishers/google/models/gemini-2.5-pro"}, True).model == "gemini-2.5-pro"
    response = BATCH.response(job("batches/new"), True)
    assert (response.id, response.model, response.usage) == ("batches/new", "gemini-2.5-flash", Usage())


def test_a_batch_that_is_done_counts_once_with_the_tokens_of_its_requests():
    done = job(
        "batches/done",
        inlined(
            {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 1},
            {"promptTokenCount": 20, "candidatesTokenCount": 6},
        ),
    )
    assert not BATCH_DONE.counts(job("batches/done"))
    assert BATCH_DONE.counts(done)
    assert not BATCH_DONE.counts(done)
    response = BATCH_DONE.response(done, True)
    assert response.usage == Usage(input_tokens=30, output_tokens=11, output_reasoning_tokens=1)
    assert response.service_tier == "batch"
    assert BATCH_DONE.request(GEMINI, done, True).model == "gemini-2.5-flash"


def test_a_batch_of_embeddings_counts_too():
    answers = [{"response": {"tokenCount": 3, "embedding": {}}}, {"response": {"tokenCount": 4}}]
    done = job("batches/vectors", {"inlinedEmbedContentResponses": {"inlinedResponses": answers}})
    assert BATCH_DONE.counts(done)
    assert BATCH_DONE.response(done, True).usage == Usage(input_tokens=7)


@pytest.mark.parametrize("output", [{"responsesFile": "files/1"}, inlined(), {"inlinedResponses": {}}, None])
def test_a_batch_without_counts_is_no_record(output):
    assert not BATCH_DONE.counts(job("batches/file", output))
    assert not BATCH_DONE.counts(None)
