import pytest

from vigilo.capture.parse.google import find


@pytest.mark.parametrize(
    ("method", "path", "model", "operation"),
    [
        ("POST", "models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", "generate_content"),
        ("POST", "models/gemini-2.5-flash:streamGenerateContent?alt=sse", "gemini-2.5-flash", "generate_content"),
        ("POST", "publishers/google/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro", "generate_content"),
        ("POST", "tunedModels/mine:generateContent", "mine", "generate_content"),
        ("POST", "projects/p/locations/l/endpoints/7:generateContent", None, "generate_content"),
        ("POST", "models/gemini-embedding-001:batchEmbedContents", "gemini-embedding-001", "embeddings"),
        ("POST", "publishers/google/models/text-embedding-005:predict", "text-embedding-005", "embeddings"),
        ("POST", "publishers/google/models/imagen-4:predict", "imagen-4", "image_generation"),
        ("POST", "publishers/google/models/veo-3:predictLongRunning", "veo-3", "video_generation"),
        ("POST", "models/gemini-2.5-flash:countTokens", "gemini-2.5-flash", "count_tokens"),
        ("POST", "models/gemini-2.5-flash:computeTokens", "gemini-2.5-flash", "count_tokens"),
        ("POST", "cachedContents", None, "create_cache"),
        ("POST", "models/gemini-2.5-flash:batchGenerateContent", "gemini-2.5-flash", "batch"),
        ("POST", "batchPredictionJobs", None, "batch"),
        ("GET", "batches/123", None, "batch"),
        ("GET", "projects/p/locations/l/batchPredictionJobs/123", None, "batch"),
    ],
)
def test_model_and_endpoint_come_from_method_and_path(method, path, model, operation):
    found = find(method, path)
    assert (found.model, found.endpoint.operation) == (model, operation)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "models/gemini-2.5-flash"),
        ("GET", "models"),
        ("GET", "batches"),
        ("GET", "models/veo-3/operations/1"),
        ("POST", "files"),
        ("POST", "batches/123:cancel"),
        ("POST", "publishers/google/models/some-classifier:predict"),
        ("PATCH", "cachedContents/1"),
        ("DELETE", "cachedContents/1"),
    ],
)
def test_what_is_no_call_to_a_model_has_no_endpoint(method, path):
    assert find(method, path) is None


def test_only_a_batch_that_is_fetched_is_asked_whether_it_counts():
    assert find("GET", "batches/1").endpoint.counts is not None
    assert find("POST", "models/gemini-2.5-flash:batchGenerateContent").endpoint.counts is None
