"""Who tells which call: what the tests expect, and what the documentation shows."""

from __future__ import annotations

from dataclasses import dataclass

CALLS = (
    "chat",
    "chat_stream",
    "chat_async",
    "chat_stream_async",
    "chat_raw",
    "chat_parse",
    "chat_helper",
    "responses",
    "responses_stream",
    "responses_async",
    "responses_helper",
    "embeddings",
    "completions",
    "images",
    "messages",
    "messages_stream",
    "messages_async",
    "messages_stream_async",
    "messages_raw",
    "messages_helper",
    "messages_beta",
    "messages_parse",
    "messages_count",
    "generate",
    "generate_stream",
    "generate_async",
    "generate_stream_async",
    "google_chat",
    "google_tools",
    "google_interactions",
    "google_interactions_stream",
    "google_embed",
    "google_count",
)
_INTERACTIONS = {"google_interactions", "google_interactions_stream"}


@dataclass(frozen=True)
class Beside:
    """A neighbour: the scopes of its spans begin with one of ``scopes``; calls that it misses are vigilo's."""

    packages: tuple[str, ...]
    scopes: tuple[str, ...]
    misses: frozenset[str]


NEIGHBOURS = {
    "official": Beside(
        (
            "opentelemetry-instrumentation-genai-openai",
            "opentelemetry-instrumentation-genai-anthropic",
            "opentelemetry-instrumentation-google-genai",
        ),
        ("opentelemetry.instrumentation.",),
        frozenset({"completions", "images", "messages_count", "google_count"}),
    ),
    "openllmetry": Beside(
        (
            "opentelemetry-instrumentation-openai",
            "opentelemetry-instrumentation-anthropic",
            "opentelemetry-instrumentation-google-generativeai",
        ),
        ("opentelemetry.instrumentation.",),
        frozenset({"images", "messages_parse", "messages_count", "google_embed", "google_count"}) | _INTERACTIONS,
    ),
    "openinference": Beside(
        (
            "openinference-instrumentation-openai",
            "openinference-instrumentation-anthropic",
            "openinference-instrumentation-google-genai",
        ),
        ("openinference.instrumentation.",),
        frozenset({"google_count"}),
    ),
    "openlit": Beside(
        ("openlit",),
        ("openlit.",),
        frozenset({"completions", "messages_beta", "messages_parse", "messages_count", "google_embed", "google_count"})
        | _INTERACTIONS,
    ),
    "logfire": Beside(
        ("logfire",),
        ("logfire.",),
        frozenset(call for call in CALLS if call.startswith(("generate", "google"))),
    ),
}

TELLS_NO_TOKENS = {
    ("openinference", "images"),
    ("openinference", "google_embed"),
    ("openlit", "images"),
    ("logfire", "messages_raw"),
}
"""Calls that the neighbour tells without their tokens."""

SEVERAL_SPANS = {
    ("official", "google_tools"),  # one of the function
    ("logfire", "google_tools"),  # vigilo's, one a request
    *(
        ("logfire", call) for call in CALLS if "stream" in call or "helper" in call
    ),  # one of the sending, one of the reading
}


def documented_table() -> str:
    """The table of docs/neighbours.md: ``python tests/neighbours/table.py`` prints it."""
    rows = [["call", *NEIGHBOURS], ["---"] * (len(NEIGHBOURS) + 1)]
    for call in CALLS:
        told_by = []
        for name, neighbour in NEIGHBOURS.items():
            theirs = "theirs, without tokens" if (name, call) in TELLS_NO_TOKENS else "theirs"
            told_by.append("vigilo" if call in neighbour.misses else theirs)
        rows.append([f"`{call}`", *told_by])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(documented_table(), end="")  # noqa: T201
