"""Runs queries on the embedded store of VIGILO_HOME: the argument is a JSON file with a list of them.

A process of its own, because the engine must never be loaded into the tests' process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vigilo.errors import StoreError
from vigilo.settings import load_settings
from vigilo_exporter.clickhouse.store import Store, open_store


def run(store: Store, sql: str) -> dict[str, object]:
    try:
        columns = [(column["name"], column["type"]) for column in store.query(f"DESCRIBE ({sql})")]
        rows = store.query(f"{sql}\nSETTINGS output_format_json_quote_denormals = 1")
    except StoreError as error:
        return {"error": str(error), "columns": [], "rows": []}
    return {"error": None, "columns": columns, "rows": [[row[name] for name, _ in columns] for row in rows]}


if __name__ == "__main__":
    with open_store(load_settings().home) as opened:
        queries = json.loads(Path(sys.argv[1]).read_text("utf-8"))
        json.dump([run(opened, sql) for sql in queries], sys.stdout)
