"""The notebook of examples/, in a real kernel, as it is given."""

from __future__ import annotations

import nbformat
from tests.instrumentation.notebook.kernel import ROOT, kernel

EXAMPLE = ROOT / "examples" / "notebook.ipynb"


def test_it_goes_on_where_the_kernel_was_restarted(tmp_path):
    cells = [cell.source for cell in nbformat.read(EXAMPLE, as_version=4).cells if cell.cell_type == "code"]
    load, ask, resume, train, save, status, report = cells
    with kernel(tmp_path) as notebook:
        assert notebook.run(load).text.startswith("vigilo on ")
        assert notebook.run(ask).text == "Paris\n"
        assert notebook.run(resume).text == "start at step 0\n"
        half = train.replace("STEPS = 200", "STEPS = 80")
        assert half != train
        notebook.run(half)
        notebook.run(save)
        notebook.restart()
        notebook.run(load)
        assert notebook.run(resume).text == "start at step 80\n"
        assert notebook.run(train).text == f"loss {100 * 0.99**200:.3f} after 200 steps\n"
        assert "train" in str(notebook.run(status).displays)
        assert "gpt-4o-mini" in notebook.run(report).text
