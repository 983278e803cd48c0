"""Every endpoint in every style of call: one span that has ended, with the tokens that the provider counted."""

import pytest

from . import anthropic_endpoints, google_endpoints, openai_endpoints

# The SDK's types lag behind: whisper's models are marked deprecated there.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

CELLS = [*openai_endpoints.cells(), *anthropic_endpoints.cells(), *google_endpoints.cells()]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_call_is_one_span_with_its_tokens(bench, cell):
    with bench.recorded(cell.row, cell.column):
        method = bench.method(cell)
        bench.reply(times=max(cell.expected.spans, 1))
        bench.run(cell.use(method(**cell.passed())))
        check(bench.finished(), cell.expected)


def check(spans, expected):
    assert len(spans) == expected.spans
    for span in spans:
        told = span.attributes
        assert span.status.status_code.name == "UNSET"
        assert told["gen_ai.operation.name"] == expected.operation
        assert told["gen_ai.provider.name"] == expected.provider
        assert told.get("gen_ai.request.model") == expected.model
        tokens = told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")
        assert tokens == expected.tokens
        assert "vigilo.usage.estimated" not in told
