"""Names of persons, by a plug-in of the user's: ``names`` in ``[mask]`` of ``vigilo.toml``.

No pattern knows a name from another word. What does, takes thousands of times as long as everything else that masks
(20 ms for a message with Presidio and spaCy), and errs often: "SpaceX" was a person, in a measurement. So names are
masked only where the user says by what, and never on the app's path: exporters do it, in their own thread, with what is
masked already. ``vigilo.mask`` does it at once.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from vigilo.errors import ConfigError, MissingExtraError, VigiloError, report_internal
from vigilo.policy.mask.messages import MAX_DEPTH, MAX_VALUES, STRUCTURE, is_identifier, is_json, to_json
from vigilo.policy.mask.spans import REDACTED, TAG, Span
from vigilo.policy.mask.text import replaced, without_surrogates
from vigilo.policy.mask.user_rules import user_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    NameFinder: TypeAlias = Callable[[str], Iterable[tuple[int, int, str]]]

PRESIDIO_MODEL = "en_core_web_sm"
_PRESIDIO_ENTITIES = ["PERSON"]
_KIND = re.compile(r"[A-Z](?:[A-Z_]{0,30}[A-Z])?")
_REMEMBERED_MAX_CHARS = 4096
_log = logging.getLogger("vigilo")


def wants_names() -> bool:
    """Whether the user has named a plug-in. Costs a fraction of a microsecond."""
    rules = user_rules()
    return rules is not None and rules.names != ""


def mask_names(value: Any) -> Any:
    """A value of telemetry with the names in its texts masked; as it is where the user has named no plug-in.

    Takes what is masked otherwise already: texts, sequences and mappings of them, and texts that hold JSON, which
    stays JSON. Roles, types and ids of messages stay, and keys. Blocks for as long as the plug-in takes: never for the
    app's own threads. Never raises: where the plug-in fails, the text becomes ``[REDACTED]``.
    """
    return _masked(value, 0, [MAX_VALUES], structural=True) if wants_names() else value


def mask_names_in_text(text: str) -> str:
    """One text with the names in it masked; as it is where the user has named no plug-in. Never raises."""
    if not wants_names() or not any(map(str.isalpha, text)):
        return text
    try:
        return _remembered(text) if len(text) <= _REMEMBERED_MAX_CHARS else _without_names(text)
    except Exception as error:  # noqa: BLE001 - somebody else's code; fails closed
        report_internal("finding names in a text", error)
        return REDACTED


def find_names_with_presidio(text: str, model: str = PRESIDIO_MODEL) -> list[tuple[int, int, str]]:
    """Persons that ``presidio-analyzer`` finds with a model of spaCy: ``(start, end, "PERSON")``.

    Raises:
        MissingExtraError: it is not installed.
        ConfigError: the spaCy model is not installed; says how to.
    """
    found = _presidio(model).analyze(text, language=model[:2], entities=_PRESIDIO_ENTITIES)
    return [(result.start, result.end, result.entity_type) for result in found]


def _masked(value: Any, depth: int, left: list[int], *, structural: bool) -> Any:
    left[0] -= 1
    if isinstance(value, str):
        return _masked_text(value, depth, left)
    if depth >= MAX_DEPTH or left[0] <= 0:
        return "…" if isinstance(value, (Mapping, list, tuple)) else value
    if isinstance(value, Mapping):
        # Only parts of messages have names of tools; elsewhere it is the name of who knows whom.
        kept = STRUCTURE if "type" in value else STRUCTURE - {"name"}
        return {
            key: item
            if structural and key in kept and isinstance(item, str) and is_identifier(item)
            else _masked(item, depth + 1, left, structural=structural and key == "parts")
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(item, depth + 1, left, structural=structural) for item in value]
    return value


def _masked_text(text: str, depth: int, left: list[int]) -> str:
    if depth < MAX_DEPTH and is_json(text):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            # Messages are JSON in an attribute; what lies in them, such as arguments, has no structure of ours.
            return to_json(_masked(inner, depth + 1, left, structural=depth == 0))
    return mask_names_in_text(text)


def _without_names(text: str) -> str:
    text = without_surrogates(text)
    tags = [tag.span() for tag in TAG.finditer(text)]
    spans: list[Span] = []
    for start, end, kind in sorted(_finder()(text)):
        if not (0 <= start < end <= len(text)) or not _KIND.fullmatch(kind):
            raise ValueError("a span outside of the text, or a type that is not of A to Z")
        # What is masked already stays, and what is found twice is masked once.
        if spans and start < spans[-1].end:
            spans[-1] = spans[-1]._replace(end=max(end, spans[-1].end))
        else:
            spans.append(Span(start, end, f"[{kind}]"))
    apart = [piece for span in spans for piece in _around(span, tags)]
    return replaced(text, apart)


# A conversation is sent again with each turn, so most texts come many times.
_remembered = lru_cache(maxsize=1024)(_without_names)


def _around(span: Span, tags: list[tuple[int, int]]) -> list[Span]:
    """The parts of a span that are not tags of what is masked already."""
    pieces, start = [], span.start
    for tag_start, tag_end in tags:
        if tag_end > start and tag_start < span.end:
            if tag_start > start:
                pieces.append(span._replace(start=start, end=tag_start))
            start = tag_end
    if start < span.end:
        pieces.append(span._replace(start=start))
    return pieces


def _finder() -> NameFinder:
    """The user's plug-in.

    Raises:
        VigiloError: there is no such plug-in; was logged once.
    """
    rules = user_rules()
    found = _loaded(rules.names if rules is not None else "")
    if isinstance(found, VigiloError):
        raise found.with_traceback(None)
    return found


@cache
def _loaded(name: str) -> NameFinder | VigiloError:
    try:
        module, _, function = name.partition(":")
        if module == "presidio":
            model = function or PRESIDIO_MODEL
            _presidio(model)
            return partial(find_names_with_presidio, model=model)
        found = getattr(importlib.import_module(module), function)
        if callable(found):
            return found  # type: ignore[no-any-return]
        error: VigiloError = ConfigError(f"`names` in `[mask]` is `{name}`, which cannot be called")
    except VigiloError as wrong:
        error = wrong
    except Exception as wrong:  # noqa: BLE001 - an import may raise anything
        error = ConfigError(f"`names` in `[mask]` is `{name}`, which cannot be imported: {type(wrong).__name__}")
    _log.error("vigilo: %s. Texts that may hold names are left out as %s.", error, REDACTED)
    return error


@cache
def _presidio(model: str) -> Any:
    try:
        spacy = importlib.import_module("spacy.util")
        analyzer = importlib.import_module("presidio_analyzer")
        engines = importlib.import_module("presidio_analyzer.nlp_engine")
    except ImportError:
        raise MissingExtraError("masking names by Presidio", "presidio") from None
    # Presidio itself would download it, in the middle of an export.
    if not spacy.is_package(model):
        raise ConfigError(f"Presidio needs a model of spaCy: python -m spacy download {model}")
    language = model[:2]
    told = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine = engines.NlpEngineProvider(nlp_configuration=told).create_engine()
    return analyzer.AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
