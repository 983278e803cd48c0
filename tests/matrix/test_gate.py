"""What the gate refuses never reaches the provider, in whichever style it is called."""

import pytest

from vigilo.capture import gate

from . import sessions
from .test_call_styles import CELLS, pytestmark  # noqa: F401 - the SDKs warn here too

# Who asks for a result that is there already asks no model, and a session is opened before a response is asked for.
SENT = [cell for cell in CELLS if cell.answered == "reply" and not cell.polled and cell.style != sessions.STYLE]


class RefusedError(Exception):
    """The gate's own, which the app gets as it is."""


@pytest.fixture
def closed():
    def refuse(request):
        raise RefusedError(request.operation)

    gate.add_guard(refuse)
    yield
    gate.remove_guard(refuse)


@pytest.mark.parametrize("cell", SENT, ids=str)
def test_nothing_reaches_the_provider(bench, closed, cell):
    with bench.recorded("gate", cell):
        method = bench.method(cell)
        with pytest.raises(RefusedError):
            bench.run(cell.use(method(**cell.passed())))
        assert bench.server.requests == []
        (span,) = bench.finished()
        # The guard that was asked before has let it pass, and is told that nothing was sent.
        assert len(bench.guard.admitted) == 1
        assert bench.sent() == []
        assert span.status.status_code.name == "ERROR"
        assert span.attributes["error.type"].endswith("RefusedError")
