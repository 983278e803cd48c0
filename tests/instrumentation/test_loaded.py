"""What is asked of modules that something else has imported."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

from vigilo.loaded import loaded


def test_nothing_is_imported_for_it():
    assert loaded("xml.sax.saxutils.none_such") is None
    assert loaded("json") is sys.modules["json"]


def test_a_module_that_is_being_imported_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\ncomplete = True\n")
    importing = threading.Thread(target=import_module, args=("slow_to_import",))
    importing.start()
    try:
        while "slow_to_import" not in sys.modules:
            pass
        assert loaded("slow_to_import").complete
    finally:
        importing.join()
        sys.modules.pop("slow_to_import", None)
