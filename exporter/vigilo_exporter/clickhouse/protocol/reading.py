"""What a user who may only read may ask for.

``SET readonly = 1`` refuses most of the rest, in the engine itself. What it lets through is refused here by name: the
structure of files and addresses (``DESCRIBE url(...)``), ``INTO OUTFILE``, KILL, BACKUP, and Python's own variables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vigilo_exporter.clickhouse.protocol.failures import BAD_ARGUMENTS, READONLY, Refused
from vigilo_exporter.clickhouse.protocol.statements import tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

STATEMENTS = frozenset({"SELECT", "WITH", "FROM", "(", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "USE"})
HARMLESS_TABLE_FUNCTIONS = frozenset(
    {"format", "generaterandom", "generateseries", "generate_series", "merge", "null", "numbers", "numbers_mt"}
    | {"primes", "values", "view", "viewexplain", "viewifpermitted", "zeros", "zeros_mt"}
)
"""Of the engine's table functions, those that reach nothing outside; in small letters."""
REACHING_OUT = frozenset(
    {
        "azureblobstorage",
        "cluster",
        "clusterallreplicas",
        "deltalake",
        "dictionary",
        "executable",
        "file",
        "filecluster",
    }
    | {"filesystem", "gcs", "hdfs", "hive", "hudi", "iceberg", "input", "jdbc", "loop", "mongodb", "mysql", "odbc"}
    | {"postgresql", "python", "redis", "remote", "remotesecure", "s3", "s3cluster", "sqlite", "url", "urlcluster"}
)
"""Refused even if the engine does not list them."""
_ODD = re.compile(r"[^\x09\x0a\x0c\x0d\x20-\x7e]|[$\\'\"`]")
"""Outside of quotes: signs by which ClickHouse's lexer could see quotes begin or end elsewhere than ours."""

LIMITS = {"max_execution_time": 60, "max_memory_usage": 1_000_000_000, "max_result_bytes": 256_000_000}
"""Seconds and bytes that a reader's query may take, and the most that a client can ask for."""
ALLOWED_SETTINGS = re.compile(
    r"(output_format|allow_experimental|allow_suspicious|enable|optimize|use|join|group_by|max_rows|max_bytes|cast|any)"
    r"_\w+|max_(result_rows|result_bytes|execution_time|memory_usage|threads|block_size|query_size|final_threads)"
    r"|(result|read|sort|join|group_by|distinct|set|transfer|timeout)_overflow_mode|extremes|final|log_comment"
    r"|session_timezone|date_time_(in|out)put_format|format_csv_\w+|format_tsv_\w+|format_custom_\w+|format_json_\w+"
    r"|prefer_column_name_to_alias|totals_mode|limit|offset|compile_\w+|count_distinct_implementation|union_default_mode"
    r"|describe_\w+|show_\w+|query_cache_\w+|min_count_to_compile_\w+|aggregate_functions_null_for_empty|analyzer\w*"
)
IGNORED_SETTINGS = re.compile(
    r"readonly|(async_)?insert\w*|wait_for_async_insert\w*|input_format_\w+|\w+_timeout(_ms)?|log_\w+|load_balancing"
    r"|max_insert_\w+|allow_\w*ddl\w*|mutations_sync|enable_http_compression"
)
"""What drivers send by habit, and what means nothing to a reader."""


def check_reading(sql: str, table_functions: Collection[str]) -> None:
    """Refuses a statement that a reader may not run.

    Args:
        sql: the statement.
        table_functions: the engine's, in small letters.

    Raises:
        Refused: it is none of :data:`STATEMENTS`, or calls a table function that reaches outside.
    """
    previous = None
    for token in tokens(sql):
        if previous is None and token.text.upper() not in STATEMENTS:
            raise Refused(
                READONLY,
                "This user may only read: Cannot execute query in readonly mode. Give the write token as user vigilo",
            )
        if token.kind == "other" and _ODD.match(token.text):
            raise Refused(BAD_ARGUMENTS, f"{token.text!r} is not allowed outside of quotes")
        if token.kind == "word" and "$" in token.text:
            raise Refused(BAD_ARGUMENTS, "'$' is not allowed outside of quotes")
        if token.kind == "text" and (
            token.text.startswith("$")
            or (previous is not None and previous.end == token.begin and previous.kind == "word")
        ):
            raise Refused(BAD_ARGUMENTS, "only plain texts in quotes are allowed: 'text'")
        if token.text == "(" and previous is not None and previous.kind in ("word", "quoted"):
            name = previous.text.strip('`"').lower()
            reaching = name in REACHING_OUT or (name in table_functions and name not in HARMLESS_TABLE_FUNCTIONS)
            if reaching or (previous.kind == "quoted" and "\\" in name):
                raise Refused(READONLY, f"{name}() reaches outside of the store, which this user may not")
        previous = token


def reading_settings(given: Mapping[str, str]) -> dict[str, str]:
    """The settings that a reader's query runs with: what the client may choose, within :data:`LIMITS`.

    Raises:
        Refused: a setting may not be chosen.
    """
    chosen = {}
    for name, value in given.items():
        if ALLOWED_SETTINGS.fullmatch(name) and not name.startswith("output_format_schema"):
            chosen[name] = value
        elif not IGNORED_SETTINGS.fullmatch(name):
            raise Refused(READONLY, f"Cannot modify '{name}' setting in readonly mode")
    for name, most in LIMITS.items():
        try:
            wanted = float(chosen.get(name, most))
        except ValueError:
            raise Refused(BAD_ARGUMENTS, f"'{name}' is not a number") from None
        chosen[name] = f"{int(wanted) if 0 < wanted < most else most}"
    return chosen
