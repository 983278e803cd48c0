"""Every endpoint in every style of call: one span that has ended, with the tokens that the provider counted."""

from contextlib import nullcontext

import pytest

from . import anthropic_endpoints, google_endpoints, openai_endpoints, sessions

# SDKs tell of methods that are new, and of those that go.
pytestmark = pytest.mark.filterwarnings("ignore:.*(experimental|deprecated)", "ignore:connect:DeprecationWarning")

CELLS = [*openai_endpoints.cells(), *anthropic_endpoints.cells(), *google_endpoints.cells(), *sessions.cells()]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_call_is_one_span_with_its_tokens(bench, cell):
    with bench.recorded("styles", cell):
        method = bench.method(cell)
        if cell.style == sessions.STYLE:
            bench.reply_in_session(cell.client)
        else:
            bench.script(cell.answered, times=max(cell.expected.spans, 1))
        fails = cell.answered == "error status"
        with pytest.raises(Exception, match="400") if fails else nullcontext():
            bench.run(cell.use(method(**cell.passed())))
        check(bench.finished(), cell)
        check_settled(bench.sent(), cell)


def check(spans, cell):
    expected = cell.expected
    assert len(spans) == expected.spans
    for span in spans:
        told = span.attributes
        assert told["gen_ai.operation.name"] == expected.operation
        assert told["gen_ai.provider.name"] == expected.provider
        assert told.get("gen_ai.request.model") == expected.model
        assert "vigilo.usage.estimated" not in told
        failed = cell.answered == "error status"
        assert span.status.status_code.name == ("ERROR" if failed else "UNSET")
        assert told.get("http.response.status_code") == (400 if failed else None)
        assert told.get("http.request.resend_count") == (1 if cell.answered == "429, then a reply" else None)
        tokens = told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")
        assert tokens == ((None, None) if failed else expected.tokens)


def check_settled(ends, cell):
    """Each span is a call that the gate let pass, which was told how it ended."""
    assert len(ends) == cell.expected.spans
    for response, error in ends:
        if cell.answered == "error status":
            assert response is None
            assert error.args
        else:
            usage = response.usage
            assert (usage.input_tokens, usage.output_tokens) == cell.expected.tokens
            assert error is None
