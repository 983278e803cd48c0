"""``vigilo migrate`` makes the tables, in the home folder and at a server, and says what it would do."""

from __future__ import annotations

import json

from vigilo_exporter.clickhouse.schema_files import schema_files

LATEST = schema_files()[-1].version


def test_tables_are_made_in_the_home_folder(vigilo_command, home):
    assert f"schema version 0 of {LATEST}" in vigilo_command("migrate", "plan").stdout
    assert not (home / "db").exists()
    done = vigilo_command("migrate", "apply")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"schema version {LATEST}\n")
    status = json.loads(vigilo_command("migrate", "status", "--format", "json").stdout)
    assert (status["version"], status["latest"], status["migrating"]) == (LATEST, LATEST, None)


def test_tables_are_made_at_a_server(vigilo_command, clickhouse_server):
    environ = clickhouse_server.environ
    planned = vigilo_command("migrate", "plan", "--sql", environ=environ)
    assert planned.returncode == 0, planned.stderr
    assert "CREATE MATERIALIZED VIEW llm_calls_mv TO llm_calls AS" in planned.stdout
    assert clickhouse_server.rows("SHOW TABLES") == []
    done = vigilo_command("migrate", "apply", environ=environ)
    assert done.returncode == 0, done.stderr
    assert clickhouse_server.count("llm_messages") == 0
    assert clickhouse_server.token not in planned.stdout + done.stdout
    assert "as before" in vigilo_command("migrate", "apply", environ=environ).stdout


def test_a_server_that_cannot_be_reached_is_told(vigilo_command):
    refused = vigilo_command("migrate", "plan", environ={"VIGILO_CLICKHOUSE_URL": "http://127.0.0.1:9"})
    assert refused.returncode == 1
    assert refused.stderr.startswith("vigilo: cannot reach http://127.0.0.1:9")
