"""Runs one masker over texts, in an environment of its own: run by ``masking_quality.py``.

Reads ``{"texts": [...], "speed": [...]}`` from the file named, and prints, after ``RESULT``, the spans that the masker
found in each text, as ``[start, end, type]``, and the CPU time of each text of ``speed``, in microseconds.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Spans = list[tuple[int, int, str]]
TYPES = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "US_SSN": "SSN",
    "SOCIAL_SECURITY_NUMBER": "SSN",
    "IBAN_CODE": "IBAN",
    "DE_IBAN": "IBAN",
    "IP_ADDRESS": "IP",
    "CREDENTIAL": "SECRET",
    "JWT": "SECRET",
    "PRIVATE_KEY": "SECRET",
    "API_KEY": "SECRET",
    "BEARER_TOKEN": "SECRET",
    "CREDENTIAL_URI": "SECRET",
}
ROUNDS = 7


def vigilo() -> tuple[str, Callable[[str], Spans]]:
    from vigilo.policy.mask.text import find_spans, without_surrogates

    def find(text: str) -> Spans:
        return [(span.start, span.end, span.tag[1:-1].split("_")[0]) for span in find_spans(without_surrogates(text))]

    return version("vigilo-otel"), find


def vigilo_plain() -> tuple[str, Callable[[str], Spans]]:
    """Without RE2, whether it is installed or not."""
    sys.modules["re2"] = None  # type: ignore[assignment]
    return vigilo()


def presidio() -> tuple[str, Callable[[str], Spans]]:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as recognizers
    from presidio_analyzer.nlp_engine.no_op_nlp_engine import NoOpNlpEngine

    kinds = ("Email", "Phone", "CreditCard", "UsSsn", "Iban", "Ip")
    registry = RecognizerRegistry(supported_languages=["en"])
    for kind in kinds:
        registry.add_recognizer(getattr(recognizers, f"{kind}Recognizer")())
    language = NoOpNlpEngine([{"lang_code": "en", "model_name": "noop"}])
    language.load()
    engine = AnalyzerEngine(registry=registry, nlp_engine=language, supported_languages=["en"])
    entities = ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE", "IP_ADDRESS"]

    def find(text: str) -> Spans:
        found = engine.analyze(text, language="en", entities=entities, score_threshold=0.35)
        return [(one.start, one.end, TYPES.get(one.entity_type, one.entity_type)) for one in found]

    return version("presidio-analyzer"), find


def datafog() -> tuple[str, Callable[[str], Spans]]:
    import datafog_core

    secrets = ["JWT", "PRIVATE_KEY", "API_KEY", "BEARER_TOKEN", "CREDENTIAL_URI"]
    entities = ["EMAIL", "PHONE", "SSN", "CREDIT_CARD", "IP_ADDRESS", "DE_IBAN", *secrets]
    # Its only IBANs are German ones.
    settings = {"entities": entities, "locale": "de"}

    def find(text: str) -> Spans:
        return [
            (one.codepoint_range.start, one.codepoint_range.end, TYPES.get(one.entity_type, one.entity_type))
            for one in datafog_core.scan(text, settings)
        ]

    return version("datafog-core"), find


def scrubadub() -> tuple[str, Callable[[str], Spans]]:
    import scrubadub as library
    from scrubadub import detectors

    scrubber = library.Scrubber(
        detector_list=[
            detectors.EmailDetector(),
            detectors.PhoneDetector(locale="en_US"),
            detectors.CreditCardDetector(),
            detectors.en_US.SocialSecurityNumberDetector(locale="en_US"),
            detectors.CredentialDetector(),
        ]
    )

    def find(text: str) -> Spans:
        return [
            (filth.beg, filth.end, TYPES.get(filth.type.upper(), filth.type.upper()))
            for filth in scrubber.iter_filth(text)
        ]

    return version("scrubadub"), find


def detect_secrets() -> tuple[str, Callable[[str], Spans]]:
    from detect_secrets.core.scan import get_plugins
    from detect_secrets.settings import default_settings

    context = default_settings()
    context.__enter__()
    plugins = list(get_plugins())

    def find(text: str) -> Spans:
        _ = context
        return list(_spans_of(text, plugins))

    return version("detect-secrets"), find


def _spans_of(text: str, plugins: list[Any]) -> Iterator[tuple[int, int, str]]:
    """It tells values, not where they are."""
    start = 0
    for line in re.split(r"(?<=\n)", text):
        values = {
            found.secret_value
            for plugin in plugins
            for found in plugin.analyze_line(filename="text.txt", line=line, line_number=1) or ()
            if found.secret_value
        }
        for value in values:
            at = line.find(value)
            while at >= 0:
                yield start + at, start + at + len(value), "SECRET"
                at = line.find(value, at + len(value))
        start += len(line)


MASKERS = {
    "vigilo": vigilo,
    "vigilo, plain Python": vigilo_plain,
    "presidio": presidio,
    "datafog-core": datafog,
    "scrubadub": scrubadub,
    "detect-secrets": detect_secrets,
}


def microseconds(find: Callable[[str], Spans], text: str) -> float:
    """The least CPU time of several rounds, each of at least 20 ms."""
    number, took = 1, 0.0
    while took < 0.02:
        number *= 2
        took = _took(find, text, number)
    return min(_took(find, text, number) for _ in range(ROUNDS)) / number * 1e6


def _took(find: Callable[[str], Spans], text: str, number: int) -> float:
    start = time.thread_time()
    for _ in range(number):
        find(text)
    return time.thread_time() - start


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    work = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    release, find = MASKERS[sys.argv[1]]()
    spans = [find(text) for text in work["texts"]]
    speed = [microseconds(find, text) for text in work["speed"]]
    print("RESULT " + json.dumps({"version": release, "spans": spans, "speed": speed}))


if __name__ == "__main__":
    main()
