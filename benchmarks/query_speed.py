"""How fast reports and dashboards are answered from a big store: 10 million calls in 30 days unless told otherwise.

    python benchmarks/query_speed.py [--calls N] [--keep FOLDER]

The calls are spans that the engine makes itself, so all views run: 12 models, 6 services, 20,000 users, sessions and
conversations of ten calls. With `--keep` the store is built in that folder once and used again. Prints the best and the
median time of five, and the CPU time of all cores together, for each report and each panel over an hour, a day, a week
and all 30 days; says why where it is over 100 ms; and what the same question costs without the rollups. Needs the
embedded engine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from vigilo_exporter.calls_between import DIMENSIONS
from vigilo_exporter.clickhouse.engine import Engine
from vigilo_exporter.clickhouse.migrate import migrate
from vigilo_exporter.panels.macros import ALL, Selection, expand
from vigilo_exporter.panels.overview import OVERVIEW
from vigilo_exporter.report import build_report, kept

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS, DAYS, BAR_MS, TIMES = 10_000_000, 30, 100, 5
END = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
FIRST_DAY = END.replace(hour=0) - timedelta(days=DAYS - 1)
# A range that ends in the middle of an hour and of a day, as ranges do.
UNTIL = FIRST_DAY + timedelta(days=DAYS - 1, hours=16, minutes=47, seconds=13)
RANGES = {"1 h": timedelta(hours=1), "1 d": timedelta(days=1), "7 d": timedelta(days=7), "30 d": timedelta(days=29.5)}
_CALLS_OF_A_DAY = """INSERT INTO otel_traces
    (Timestamp, TraceId, SpanId, ServiceName, SpanName, SpanKind, SpanAttributes, Duration, StatusCode)
WITH
    sipHash64(number, {day}) AS h,
    sipHash64(intDiv(number, 10), {day}) AS session, -- ten calls of one user, at least
    session % 20000 AS user,
    ['gpt-5', 'gpt-5-mini', 'gpt-4o', 'gpt-4o-mini', 'o4-mini', 'claude-sonnet-4-5', 'claude-haiku-4-5',
        'gemini-2.5-pro', 'gemini-2.5-flash', 'mistral-large', 'llama-3.3-70b', 'house-model']
        [1 + session % 4 + if(h % 10 = 0, 4, 0) + if(h % 50 = 0, 4, 0)] AS model,
    h % 100 < 2 AS failed
SELECT
    toDateTime64('{date} 00:00:00', 9) + number * (86400 / {calls}) AS Timestamp,
    lower(hex(MD5(toString((number, {day}))))) AS TraceId,
    lower(hex(h)) AS SpanId,
    ['shop', 'chat', 'search', 'mail', 'crm', 'batch'][1 + user % 6] AS ServiceName,
    concat('chat ', model) AS SpanName,
    'Client' AS SpanKind,
    map(
        'gen_ai.operation.name', if(h % 20 = 0, 'embeddings', 'chat'),
        'gen_ai.provider.name',
            multiIf(startsWith(model, 'claude'), 'anthropic', startsWith(model, 'gemini'), 'gcp.gemini', 'openai'),
        'gen_ai.request.model', model,
        'gen_ai.response.model', model,
        'gen_ai.response.finish_reasons', if(failed, '', '["stop"]'),
        'gen_ai.response.time_to_first_chunk', if(h % 3 = 0 AND NOT failed, toString(0.05 + h % 900 / 1000), ''),
        'gen_ai.usage.input_tokens', if(failed, '', toString(200 + h % 3000)),
        'gen_ai.usage.output_tokens', if(failed, '', toString(10 + h % 700)),
        'gen_ai.usage.cost', if(failed OR model = 'house-model', '', toString((2500 + h % 9000) / 1e6)),
        'vigilo.cost.source', 'genai-prices',
        'vigilo.cost.snapshot', if({day} < 15, '0.2.3 (2026-10-09)', '0.2.4 (2026-11-09)'),
        'vigilo.operation', ['', '', 'summary', 'answer'][1 + h % 4],
        'user.id', concat('user-', toString(user)),
        'session.id', concat('session-', toString(session)),
        'gen_ai.conversation.id', if(session % 10 < 7, concat('conversation-', toString(session)), ''),
        'error.type', if(failed, ['openai.RateLimitError', 'timeout', 'openai.APIError'][1 + h % 3], ''),
        'http.request.resend_count', if(h % 200 = 0, '1', ''),
        'server.address', 'api.openai.com'
    ) AS SpanAttributes,
    200000000 + toUInt64(exp(6 + h % 1000 / 250) * 1e6) AS Duration,
    if(failed, 'Error', 'Unset') AS StatusCode
FROM numbers({calls})
WHERE Timestamp < '{until}' -- nothing is known of what comes yet
SETTINGS max_partitions_per_insert_block = 0, session_timezone = 'UTC'"""

_GROUPS = "every user, conversation or session of the range is a group of its own to sum up and sort"
_STEPS = "an hour and a model is a group of its own, with a histogram to add up"
_HOURLY = "reads each hour of each service, model, operation and outcome with its histograms"
WHY = {
    "report by user": _GROUPS,
    "report by conversation": _GROUPS,
    "report by session": _GROUPS,
    "Top users by cost": _GROUPS,
    "Top conversations by cost": _GROUPS,
    "Top sessions by cost": _GROUPS,
    "Latency p95 by model": _STEPS,
    "Price tables": "reads hour by hour which price tables there were, twice",
}
_SAME = {
    "otel_traces, attribute map": """SELECT SpanAttributes['gen_ai.request.model'] AS model,
        sum(toFloat64OrZero(SpanAttributes['gen_ai.usage.cost'])) FROM otel_traces WHERE {when} GROUP BY model""",
    "llm_calls": "SELECT Model AS model, sum(CostUsd) FROM llm_calls WHERE {when} GROUP BY model",
    "llm_hourly": "SELECT Model AS model, sum(CostUsd) FROM llm_hourly WHERE {hours} GROUP BY model",
}


class Timed:
    """A store that notes how long each statement took, and how much work it was for all cores: (ms, CPU ms)."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.took = engine, []

    def query(self, sql, parameters=None):
        began, cpu = time.perf_counter(), time.process_time()
        rows = self.engine.query(sql, parameters)
        self.took.append(((time.perf_counter() - began) * 1e3, (time.process_time() - cpu) * 1e3))
        return rows


def build(engine: Engine, calls: int) -> None:
    began = time.perf_counter()
    for day in reversed(range(DAYS)):  # what is asked most is there first
        date = (FIRST_DAY + timedelta(days=day)).strftime("%Y-%m-%d")
        until = UNTIL.strftime("%Y-%m-%d %H:%M:%S")
        engine.execute(_CALLS_OF_A_DAY.format(day=day, date=date, calls=calls // DAYS, until=until))
    seconds = time.perf_counter() - began
    print(f"built with every view in {seconds:,.0f} s: {calls / seconds:,.0f} calls/s")


def timed_ms(work: Callable[[], object], times: int = TIMES) -> list[tuple[float, float]]:
    """(ms, CPU ms) of each time. The first, which reads from disk, counts as well."""
    took = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        took.append(((time.perf_counter() - began) * 1e3, (time.process_time() - cpu) * 1e3))
    return took


def show(name: str, by_range: dict[str, list[tuple[float, float]]]) -> None:
    cells, over = [], []
    for range_name, took in by_range.items():
        walls, cpus = zip(*took, strict=True)
        cells.append(f"{min(walls):6.0f} /{statistics.median(walls):5.0f} ({min(cpus):5.0f})")
        if min(walls) > BAR_MS and "all of it" not in name:
            over.append(range_name)
    why = f"  over {BAR_MS} ms at {', '.join(over)}: {WHY.get(name, _HOURLY)}" if over else ""
    print(f"  {name:30}" + "".join(f"{cell:>22}" for cell in cells) + why, flush=True)


def reports(engine: Engine) -> None:
    print("\nreports: best / median (CPU) ms " + "".join(f"{name:>22}" for name in RANGES))
    for dimension in DIMENSIONS:
        whole, slowest = {}, {}
        for name, length in RANGES.items():
            runs = []
            for _ in range(TIMES):
                store = Timed(engine)
                build_report(store, UNTIL - length, UNTIL, (dimension,), limit=20)
                runs.append(store.took)
            whole[name] = [tuple(map(sum, zip(*run, strict=True))) for run in runs]
            slowest[name] = list(map(max, runs))
        show(f"report by {dimension}", slowest)  # its slowest statement
        show(f"  by {dimension}, all of it", whole)
    show("kept", {name: timed_ms(lambda: kept(engine)) for name in RANGES})


def panels(engine: Engine) -> None:
    print("\npanels: best / median (CPU) ms  " + "".join(f"{name:>22}" for name in RANGES))
    trace = engine.query("SELECT TraceId FROM llm_calls WHERE toDate(Timestamp) = yesterday() LIMIT 1")
    everything = {"service": (ALL,), "model": (ALL,), "trace": ("",)}
    asked = {panel.title: (panel.sql, everything) for panel in OVERVIEW.panels}
    asked |= {f"variable {one.name}": (one.sql, everything) for one in OVERVIEW.variables if one.sql}
    asked["Spans of a trace"] = (asked["Spans"][0], {**everything, "trace": (trace[0]["TraceId"],)})
    asked["Latest calls of a service"] = (asked["Latest calls"][0], {**everything, "service": ("crm",)})
    asked["Spend of two models"] = (asked["Spend"][0], {**everything, "model": ("gpt-5", "gpt-4o")})
    to_s = int(UNTIL.timestamp())
    for title, (sql, variables) in asked.items():
        took = {}
        for name, length in RANGES.items():
            from_s = to_s - int(length.total_seconds())
            statement = expand(sql, Selection(from_s, to_s, max(1, (to_s - from_s) // 800), variables))
            took[name] = timed_ms(lambda statement=statement: engine.query(statement))
        show(title, took)


def same_question(engine: Engine) -> None:
    print("\ncost by model over a day, and over 30: best ms")
    for name, sql in _SAME.items():
        cells = []
        for length in (RANGES["1 d"], RANGES["30 d"]):
            since, until = ((moment).strftime("'%Y-%m-%d %H:%M:%S'") for moment in (UNTIL - length, UNTIL))
            when = f"Timestamp >= {since} AND Timestamp < {until}"
            once = length > timedelta(days=1) and name.startswith("otel")
            statement = sql.format(when=when, hours=f"Hour >= {since} AND Hour < {until}")
            cells.append(min(timed_ms(lambda statement=statement: engine.query(statement), 1 if once else TIMES))[0])
        print(f"  {name:28}" + "".join(f"{cell:10,.0f}" for cell in cells), flush=True)


def sizes(engine: Engine, calls: int) -> None:
    print("\nbytes a call on disk, and rows")
    for row in engine.query(
        "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts "
        "WHERE active AND database = currentDatabase() GROUP BY table HAVING rows > 100 ORDER BY bytes DESC"
    ):
        print(f"  {row['table']:28}{row['bytes'] / calls:8.1f} B {row['rows']:12,} rows in {row['parts']} parts")


def run(home: Path, calls: int) -> None:
    built = (home / "db").exists()
    if not built:
        home.mkdir(parents=True, exist_ok=True)
        engine = Engine(home / "db")
        migrate(engine)
        build(engine, calls)
        engine.close()
    began = time.perf_counter()
    engine = Engine(home / "db")
    opened = time.perf_counter()
    calls = kept(engine).calls
    print(f"{calls:,} calls: open {opened - began:.2f} s, first query {(time.perf_counter() - opened) * 1e3:.0f} ms")
    try:
        sizes(engine, calls)
        reports(engine)
        panels(engine)
        same_question(engine)
    finally:
        engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--keep", type=Path, help="build the store here, or use the one that is here")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        run(arguments.keep, arguments.calls)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments.calls)


if __name__ == "__main__":
    main()
