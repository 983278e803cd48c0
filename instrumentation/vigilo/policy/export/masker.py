"""Masks attributes and other values of telemetry, by the user's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vigilo import semconv
from vigilo.policy.export.content_names import is_content
from vigilo.policy.export.rules import Kind, kind_of
from vigilo.policy.export.texts import masked_machine_text, masked_text, masked_url, without_cut_value
from vigilo.policy.mask import mask_clip, mask_json
from vigilo.policy.mask.names import mask_names, wants_names
from vigilo.policy.mask.spans import REDACTED
from vigilo.policy.pseudonym import is_pseudonym, load_key, user_pseudonym
from vigilo.settings import app_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vigilo.settings import Settings

_REMEMBERED = 16_384
_REMEMBERED_MAX_CHARS = 256
_MAX_NAMES = 4096
_MAX_NAME_CHARS = 256
_MAX_DEPTH = 24
_MAX_VALUES = 20_000
_MIN_NUMBER = 1_000_000  # the least that can be a phone number
_MAX_NUMBER_BITS = 4096
_UNSEEN: Any = object()


class Masker:
    """Masks what comes from one side: from vigilo's own recorder, or from other instrumentors.

    ``masks``: values are masked; ``makes_pseudonyms``: of the ids of persons; ``drops_content``: attributes that hold
    messages are left out. All that is returned as None is fine as it is.
    """

    def __init__(self, settings: Settings, *, ours: bool) -> None:
        self.ours = ours
        touched = ours or settings.mask_other_telemetry
        self.masks = touched and settings.content != "full"
        self.makes_pseudonyms = touched and not ours and settings.user_ids == "pseudonym"
        self.drops_content = touched and not ours and settings.content == "off"
        self.is_idle = not (self.masks or self.makes_pseudonyms)
        self._settings = settings
        self._rules: dict[str, _Rule] = {}
        self._remembered = 0

    def attributes(self, attributes: Mapping[str, Any], cut_at: int | None = None) -> dict[str, Any] | None:
        """Attributes with their names and values masked; None where there is nothing to mask.

        ``cut_at``: the length at which the SDK cut texts, when it did.
        """
        if self.is_idle:
            return None
        return self._attributes(attributes.items(), cut_at, 0, [_MAX_VALUES])

    def text(self, text: str, name: str = "") -> str:
        """A text as the value of an attribute would be; ``name`` says what it is."""
        shown = self._shown_text(self._rule(name), text) if self.masks else None
        return text if shown is None else shown

    def value(self, value: Any, name: str = "") -> Any:
        """Any value that an attribute may have, such as the body of a log record."""
        if not self.masks:
            return value
        shown = self._shown_value(self._rule(name), value, None, 0, [_MAX_VALUES])
        return value if shown is _UNSEEN else shown

    def _attributes(
        self, items: Iterable[tuple[str, Any]], cut_at: int | None, depth: int, left: list[int]
    ) -> dict[str, Any] | None:
        rules = self._rules
        changes: dict[str, Any] = {}
        is_special = False
        for name, value in items:
            rule = rules.get(name) or self._rule(name)
            if rule.is_special:
                is_special = True
            kind = value.__class__
            if kind is str and cut_at is None:
                shown = rule.seen.get(value, _UNSEEN)
                if shown is _UNSEEN:
                    shown = self._shown_text(rule, value)
                if shown is not None:
                    changes[name] = shown
            elif kind is bool or (kind is int and -_MIN_NUMBER < value < _MIN_NUMBER and rule.kind is not Kind.PERSON):
                pass
            else:
                shown = self._shown_value(rule, value, cut_at, depth, left)
                if shown is not _UNSEEN:
                    changes[name] = shown
        return self._changed(items, changes) if changes or is_special else None

    def _changed(self, items: Iterable[tuple[str, Any]], changes: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, value in items:
            rule = self._rule(name)
            if not rule.is_dropped:
                shown[_distinct(rule.shown_name, shown)] = changes.get(name, value)
        return shown

    def _rule(self, name: str) -> _Rule:
        known = self._rules.get(name)
        if known is None:
            if len(self._rules) >= _MAX_NAMES:
                self._forget()
            known = self._rules[name] = _Rule(self, str(name))
        return known

    def _forget(self) -> None:
        self._rules, self._remembered = {}, 0  # a new one: another thread may be reading the old

    def _shown_text(self, rule: _Rule, text: str, cut_at: int | None = None) -> str | None:
        """What is shown of a text, remembered; None: all of it."""
        if cut_at is not None and len(text) >= cut_at and rule.kind is not Kind.OURS:
            return f"{self._shown_or_same(rule, without_cut_value(text))}…"
        if len(text) > _REMEMBERED_MAX_CHARS:
            return self._shown(rule, text)
        shown = rule.seen.get(text, _UNSEEN)
        if shown is _UNSEEN:
            shown = rule.seen[text] = self._shown(rule, text)
            self._remembered += 1
            if self._remembered > _REMEMBERED:
                self._forget()
        known: str | None = shown
        return known

    def _shown_or_same(self, rule: _Rule, text: str) -> str:
        shown = self._shown(rule, text)
        return text if shown is None else shown

    def _shown(self, rule: _Rule, text: str) -> str | None:
        """What is shown of a text; None: all of it."""
        kind = rule.kind
        if kind is Kind.OURS:
            return self._without_names(text, text)
        if kind is Kind.PERSON:
            return self._pseudonym(text, self._settings.tenant) if self.makes_pseudonyms else None
        if not self.masks:
            return None
        if kind is Kind.SECRET:
            return "[SECRET]" if text else None
        if kind is Kind.MACHINE:
            shown = masked_machine_text(text, rule.context)
        elif kind is Kind.URL:
            shown = masked_url(text)
        elif kind is Kind.CONTENT:
            shown = masked_text(text, "", self._settings.content_max_chars)
            return self._without_names(text, shown)
        else:
            shown = masked_text(text, rule.context)
            if kind is Kind.TEXT and " " in text:  # one word is a name of something else, as a rule
                return self._without_names(text, shown)
        if shown == text:
            return None
        return self._pseudonym(text) or shown if kind is Kind.ID else shown

    def _without_names(self, text: str, shown: str) -> str | None:
        """What is shown of a text once persons' names are masked too, where the user wants that; None: all of it."""
        if self.masks and wants_names():
            shown = mask_names(shown)
        return None if shown == text else shown

    def _pseudonym(self, text: str, tenant: str = "") -> str | None:
        if not text or is_pseudonym(text):
            return None
        return user_pseudonym(text, load_key(self._settings.home), tenant)

    def _shown_value(self, rule: _Rule, value: Any, cut_at: int | None, depth: int, left: list[int]) -> Any:
        """What is shown of a value of any type; ``_UNSEEN``: all of it."""
        left[0] -= 1
        if isinstance(value, str):
            shown = self._shown_text(rule, value, cut_at)
            return _UNSEEN if shown is None else shown
        if value is None or isinstance(value, bool):
            return _UNSEEN
        if rule.kind is Kind.OURS:
            return mask_names(value) if self.masks and wants_names() else _UNSEEN
        if isinstance(value, (int, float)):
            return self._shown_number(rule, value)
        if not self.masks:
            return _UNSEEN
        if depth >= _MAX_DEPTH or left[0] <= 0:
            return "…"
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"[BYTES {len(value)}]"
        if rule.kind is Kind.CONTENT and isinstance(value, (Mapping, Sequence)):
            plain = _plain(value)
            shown = mask_names(mask_json(plain, self._settings.content_max_chars))
            return _UNSEEN if shown == plain else shown
        if isinstance(value, Mapping):
            inner = self._attributes(value.items(), cut_at, depth + 1, left)
            return _UNSEEN if inner is None else inner
        if isinstance(value, Sequence):
            return self._shown_items(rule, value, cut_at, depth + 1, left)
        return f"[{type(value).__name__}]"

    def _shown_items(self, rule: _Rule, value: Sequence[Any], cut_at: int | None, depth: int, left: list[int]) -> Any:
        shown, same = [], True
        for item in value:
            if item.__class__ is float and -_MIN_NUMBER < item < _MIN_NUMBER:  # embeddings have thousands
                shown.append(item)
                continue
            masked = self._shown_value(rule, item, cut_at, depth, left)
            same = same and masked is _UNSEEN
            shown.append(item if masked is _UNSEEN else masked)
        return _UNSEEN if same else tuple(shown)

    def _shown_number(self, rule: _Rule, value: float) -> Any:
        if -_MIN_NUMBER < value < _MIN_NUMBER or not self.masks or rule.kind in (Kind.MACHINE, Kind.MEASURE):
            if rule.kind is Kind.PERSON and self.makes_pseudonyms:
                return self._pseudonym(str(value), self._settings.tenant)
            return _UNSEEN
        if isinstance(value, int) and value.bit_length() > _MAX_NUMBER_BITS:
            return REDACTED  # Python would not even print it
        shown = self._shown_text(rule, repr(value))
        return _UNSEEN if shown is None else shown


class _Rule:
    """What is done with the attributes of one name."""

    __slots__ = ("context", "is_dropped", "is_special", "kind", "seen", "shown_name")

    def __init__(self, masker: Masker, name: str) -> None:
        self.kind = kind_of(name, ours=masker.ours)
        self.is_dropped = masker.drops_content and is_content(name)
        self.shown_name = mask_clip(name, _MAX_NAME_CHARS) if masker.masks else name
        self.is_special = self.is_dropped or self.shown_name != name
        self.seen: dict[str, str | None] = {}
        # The end of a name says what the value is: `phone` makes a phone number of bare digits.
        self.context = f"{name[-40:].rpartition('.')[2]}: " if name else ""


def others_masker() -> Masker:
    """Masks what other instrumentors record, by the settings in force."""
    return _maskers(app_settings())[0]


def masker_of(scope_name: str | None) -> Masker:
    """Masks what an instrumentation scope records: vigilo's own, or another's."""
    return _maskers(app_settings())[scope_name == semconv.SCOPE]


_in_force: tuple[Settings, tuple[Masker, Masker]] | None = None


def _maskers(settings: Settings) -> tuple[Masker, Masker]:
    global _in_force
    known = _in_force
    if known is None or known[0] is not settings:
        known = _in_force = (settings, (Masker(settings, ours=False), Masker(settings, ours=True)))
    return known[1]


def _plain(value: Any) -> Any:
    """Mappings and sequences as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return [_plain(item) for item in value]
    return value


def _distinct(name: str, taken: Mapping[str, Any]) -> str:
    """Two names that are masked alike must not swallow each other's values."""
    if name not in taken:
        return name
    return next(f"{name} {number}" for number in range(2, len(taken) + 3) if f"{name} {number}" not in taken)
