"""Tells values that were drawn at random from words, names, placeholders and code."""

from __future__ import annotations

import re

_LOOKED_AT = 72
_WORD = re.compile(
    r"[A-Z]{0,20}[a-z]{0,40}[0-9]{0,4}|[0-9]{1,8}|[a-z]{0,20}(?:[A-Z][a-z]{1,20}){1,8}[0-9]{0,4}", re.ASCII
)
_LONG_WORD_CHARS = 16
_WHOLE_CHARS = 24
_RARE = re.compile(r"q[^u]|[jvxz][bcdfghjklmnpqrstvwxz]|[bcdfghjklmnpqrtvwxz][jqxz]|[bcdfghjklmnpqrstvwxz]{5}")
"""Neighbours that words do not have."""

_SPLIT = re.compile(r"[^A-Za-z0-9]+")
_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]|(?<=[A-Z][A-Z])[a-z]", re.ASCII)
_CHANGES_PER_CHAR = 0.17
"""How often letters, capitals and digits take turns: .4 in keys in base 62, .5 in hexadecimal, .1 in names."""

_WILD_CHANGES_PER_CHAR = 0.28

_FILLER = re.compile(
    r"xxxx|\*\*\*\*|\.\.\.\.|____|(?:^|[^a-z])your|your[_-]|example|placeholder|change.?me|insert|replace|redacted|dummy|<|\$\{|\{\{|…|\x01"
)

# What begins so points at the secret instead of being it.
_REFERENCE = re.compile(
    r"\$[A-Za-z_{(]|\{|<|%[({A-Z]|#\{|\[|@|&|\*+$|-|\\|://"
    r"|(?:https?|file|env|op|vault|secret|secrets|ref|arn|aws|gcp|projects|doppler|keyring|s3|gs|ssm)[:/]"
    r"|(?:\./|\.\./|~/|/[a-z]+/|[A-Za-z]:\\)"
    r"|(?:os|process|env|self|this|config|settings|cfg|args|kwargs|options|opts|request|req|ctx|context|var|vars|local"
    r"|data|secrets|credentials|params|props|session|app|user|module|node|item|obj|row|event|state|st|std|np|jwt)[.\[(]"
)

_WORD_LIST = (
    "null none nil true false undefined nan string str text int integer number bytes bool boolean object any array "
    "list dict map optional required unknown empty default auto user admin root guest test demo me name value values "
    "key keys token tokens secret secrets password passwords passwd pass pwd passphrase passcode credential auth "
    "credentials bearer basic digest oauth oauth2 jwt saml ldap api apikey api_key username login hidden masked "
    "private public input output self this super return yield await async new and or not is in if else for while with "
    "from import const let var def class function lambda void char byte float double long short signed unsigned static "
    "final field file path url uri id uuid hash type plaintext encrypted hashed header query body cookie session "
    "enabled disabled on off yes no n/a na tbd foo bar baz foobar env environ getenv redacted"
)
_WORDS = frozenset(_WORD_LIST.split())


def is_placeholder(value: str) -> bool:
    """Whether a value only holds the place of a secret, or names where it is kept."""
    lower = value[:_LOOKED_AT].lower()
    if lower in _WORDS or _FILLER.search(lower) is not None:
        return True
    return len(set(lower)) < 4 or _REFERENCE.match(value) is not None


def looks_random(value: str, least: int) -> bool:
    """Whether at least ``least`` characters of a value's beginning are in parts that no one would write as words."""
    seen = value[:_LOOKED_AT]
    if len(seen) < least:
        return False
    odd = sum(len(part) for part in _SPLIT.split(seen) if _is_odd(part))
    if odd < least:
        whole = _SPLIT.sub("", seen)
        if len(whole) < max(least, _WHOLE_CHARS) or not is_wild(whole):
            return False
    lower = seen.lower()
    return len(set(lower)) >= min(7, least) and _FILLER.search(lower) is None


def _is_odd(part: str) -> bool:
    if len(part) >= _LONG_WORD_CHARS and part.islower() and part.isalpha():
        return len(_RARE.findall(part)) * 9 >= len(part)
    if len(part) >= _LONG_WORD_CHARS and part.isupper():
        return len(_RARE.findall(part.lower())) * 9 + len(_CHANGE.findall(part)) * 6 >= len(part)
    return _WORD.fullmatch(part) is None and _has_oddities(part, max(2.0, len(part) * _CHANGES_PER_CHAR))


def is_wild(value: str) -> bool:
    """Whether letters, capitals and digits take turns as often as chance has it."""
    return _has_oddities(value, len(value) * _WILD_CHANGES_PER_CHAR)


def _has_oddities(value: str, least: float) -> bool:
    changes = len(_CHANGE.findall(value))
    return changes >= least or changes + len(_RARE.findall(value.lower())) >= least


def has_odd_letters(value: str) -> bool:
    """Whether a value has several pairs of letters that words do not have."""
    return len(_RARE.findall(value)) > 2


def has_changes(value: str) -> bool:
    """Whether letters, capitals and digits take turns more than once."""
    return len(_CHANGE.findall(value)) > 1


def has_three_kinds(value: str) -> bool:
    """Whether upper case, lower case and digits are mixed."""
    return (
        any("a" <= char <= "z" for char in value)
        and any("A" <= char <= "Z" for char in value)
        and any("0" <= char <= "9" for char in value)
    )


def is_hex(value: str) -> bool:
    """Whether a value could be a hash: hexadecimal digits only."""
    return _HEX.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    """Whether a value is a UUID in its usual form."""
    return _UUID.fullmatch(value) is not None
