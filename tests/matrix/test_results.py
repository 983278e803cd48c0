"""The committed results, of which the table in the docs is made, are those of this matrix and of these SDKs."""

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from vigilo.capture.sdks import SDKS

from .conftest import SDKS as DISTRIBUTIONS
from .stream_ends import STREAM_CELLS
from .test_call_styles import CELLS
from .test_gate import SENT

HERE = Path(__file__).parent
PINS = {"oldest": HERE / "oldest.txt", "newest": HERE.parents[1] / "constraints.txt"}
TABLES = {"styles": CELLS, "stream ends": STREAM_CELLS, "gate": SENT}


def pins(path):
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("sdks", list(PINS))
def test_the_committed_results_are_of_every_cell(sdks):
    results = json.loads((HERE / "results" / f"{sdks}.json").read_text("utf-8"))
    assert results["sdks"] == {name: pins(PINS[sdks])[name] for name in DISTRIBUTIONS}, "run `make coverage`"
    for table, cells in TABLES.items():
        told = [
            (row, column)
            for row, outcomes in results["tables"][table].items()
            for columns in outcomes.values()
            for column in columns
        ]
        assert sorted(told) == sorted((cell.row, cell.column) for cell in cells), "run `make coverage`"


@pytest.mark.parametrize("sdks", list(PINS))
def test_no_committed_result_is_a_failure(sdks):
    results = json.loads((HERE / "results" / f"{sdks}.json").read_text("utf-8"))
    rows = [outcomes for table in results["tables"].values() for outcomes in table.values()]
    assert {"passed"} <= {outcome for outcomes in rows for outcome in outcomes} <= {"passed", "absent"}


def test_the_oldest_are_the_oldest_that_are_supported():
    oldest = pins(PINS["oldest"])
    for sdk in ("openai", "anthropic", "google"):
        supported = Requirement(SDKS[sdk].requirement)
        (least,) = [Version(s.version) for s in supported.specifier if s.operator == ">="]
        assert Version(oldest[supported.name]).release[: len(least.release)] == least.release


def test_the_names_of_cells_are_unique():
    for cells in TABLES.values():
        assert len({str(cell) for cell in cells}) == len(cells)
