"""Every stream in every way a stream can end: one span, which ends once and says how."""

import functools

import pytest

from .stream_ends import STREAM_CELLS


@pytest.mark.parametrize("cell", STREAM_CELLS, ids=str)
def test_a_stream_ends_once_however_it_ends(bench, cell):
    with bench.recorded("stream ends", cell):
        start = functools.partial(bench.method(cell), **cell.arguments)
        if cell.way.script is None:
            bench.reply()
        else:
            cell.way.script(bench)
        run = cell.way.asynchronous if cell.is_async else cell.way.sync
        bench.run(run(start))
        check(bench.finished(), cell.ended)
        check_settled(bench.sent(), cell.ended)


def check(spans, ended):
    assert len(spans) == ended.spans
    for span in spans:
        told = span.attributes
        assert (span.status.status_code.name == "ERROR") is ended.failed
        assert ("error.type" in told) is ended.failed
        assert told.get("vigilo.stream.ended_by") == ended.by
        assert told.get("http.request.resend_count") == (1 if ended.resent else None)
        if ended.tokens:
            assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (120, 40)
            assert "vigilo.usage.estimated" not in told
        else:
            # What came until then may be counted or estimated, but is never taken for the whole.
            assert told.get("gen_ai.usage.output_tokens") != 40


def check_settled(ends, ended):
    """A stream that failed on its way tells what came until then; one that was refused has nothing to tell."""
    assert len(ends) == ended.spans
    for response, error in ends:
        assert (error is not None) is ended.failed
        assert response is not None or ended.failed
        if ended.tokens:
            assert (response.usage.input_tokens, response.usage.output_tokens) == (120, 40)
