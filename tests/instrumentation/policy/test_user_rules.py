"""The user's own masking: patterns, values and kinds to leave, read from ``vigilo.toml`` and refused when wrong."""

from __future__ import annotations

import random
import re

import pytest

from vigilo.errors import ConfigError
from vigilo.policy.mask import mask, mask_clip, mask_json
from vigilo.policy.mask.slow_patterns import why_refused
from vigilo.policy.mask.user_rules import OVERLAP_CHARS, UserRules, user_rules
from vigilo.settings import app_settings, load_settings


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Puts a table ``[mask]`` in force."""

    def say(table):
        (tmp_path / "vigilo.toml").write_text(f"[mask]\n{table}", "utf-8")
        monkeypatch.setenv("VIGILO_CONFIG", str(tmp_path / "vigilo.toml"))
        user_rules.cache_clear()
        app_settings.cache_clear()

    yield say
    user_rules.cache_clear()


TICKET = "[[mask.patterns]]\nname = 'TICKET'\npattern = 'TCK-[0-9]{6}'\n"


def rules(**table):
    return UserRules.parse("vigilo.toml", table)


def pattern(text, name="OWN"):
    return {"patterns": [{"name": name, "pattern": text}]}


def test_what_a_pattern_matches_becomes_its_tag(said):
    said(TICKET)
    assert mask("TCK-123456 of jane@example.com, TCK-12") == "[TICKET] of [EMAIL], TCK-12"
    assert mask_clip("see TCK-123456", 1000) == "see [TICKET]"
    assert mask_json({"TCK-123456": ["TCK-654321"]}, 100) == {"[TICKET]": ["[TICKET]"]}


def test_a_pattern_may_add_to_a_kind_there_is(said):
    said("[[mask.patterns]]\nname = 'PHONE'\npattern = '\\bext [0-9]{4}\\b'\n")
    assert mask("at ext 4711") == "at [PHONE]"


def test_the_first_of_two_patterns_wins_and_a_pattern_wins_over_what_is_built_in(said):
    said(
        "[[mask.patterns]]\nname='STAFF'\npattern='[a-z]{1,30}@corp\\.example'\n"
        "[[mask.patterns]]\nname='OTHER'\npattern='corp'\n"
    )
    assert mask("jane@corp.example jane@example.com corp") == "[STAFF] [EMAIL] [OTHER]"


def test_a_match_within_a_value_leaves_nothing_of_the_value(said):
    said(
        "[[mask.patterns]]\nname = 'CODE'\npattern = '[0-9]{6}'\n"
        "[[mask.patterns]]\nname = 'MAIL'\npattern = 'to: [a-z@.]{1,40} now'\n"
    )
    key = f"sk-proj-{'Ab3dE' * 4}123456{'Xy7zQ' * 4}"
    assert mask(f"use {key} and 123456") == "use [SECRET] and [CODE]"
    assert mask("j123456@example.com, +1 415 555 267123456").startswith("[EMAIL], ")
    assert mask("to: jane@example.com now") == "[MAIL]"
    assert mask("see jane@example.com123456") == "see [EMAIL][CODE]"


def test_a_secret_is_not_allowed_by_how_it_ends(said):
    said('allow = ["*@example.org", "sk-*"]\n')
    key = f"sk-proj-{'Ab3dE' * 8}"
    assert mask(f"{key} jane@example.org") == "[SECRET] jane@example.org"


def test_masking_twice_changes_nothing_whatever_the_pattern(said):
    said("[[mask.patterns]]\nname = 'CODE'\npattern = '[A-Z]{4}'\n")
    assert mask("ABCD") == "[CODE]"
    assert mask(mask("ABCD EFGH")) == "[CODE] [CODE]"


def test_allowed_values_are_left_whole_and_only_whole(said):
    said('allow = ["Support@example.com", "+1 800 555 0199", "*@example.org", "10.0.*"]\n')
    assert mask("support@EXAMPLE.com, +1-800-555-0199") == "support@EXAMPLE.com, +1-800-555-0199"
    assert mask("anyone@example.org") == "anyone@example.org"
    assert mask("xsupport@example.com") == "[EMAIL]"
    assert mask("anyone@example.org.evil.com") == "[EMAIL]"


def test_a_kind_can_be_left(said):
    said('leave = ["EMAIL"]\n')
    assert mask("jane@example.com +1 415-555-2671") == "jane@example.com [PHONE]"
    assert mask(mask("jane@example.com +1 415-555-2671")) == "jane@example.com [PHONE]"


def test_without_a_table_there_are_no_rules():
    user_rules.cache_clear()
    assert user_rules() is None


WRONG = [
    ({"alow": []}, r"vigilo.toml: unknown key `alow` in `\[mask\]`; allowed are `allow`, `leave`, `names`, `patterns`"),
    ({"allow": "x"}, r"vigilo.toml: `allow` in `\[mask\]` is 'x'; allowed is a list of texts"),
    ({"allow": [1]}, r"`allow` in `\[mask\]` is \[1\]"),
    ({"allow": ["*"]}, r"`allow` in `\[mask\]` has '\*'; allowed is a value of 3 characters or more, with one `\*`"),
    ({"allow": ["a*b*c"]}, "has 'a.b.c'; allowed is"),
    ({"leave": ["NAME"]}, "`leave` in .* has 'NAME'; allowed are `CARD`, `EMAIL`, `IBAN`, `IP`, `PHONE`, `SECRET`"),
    (
        {"names": "find"},
        "`names` in .* is 'find'; allowed is `presidio`, `presidio:` with a model of spaCy",
    ),
    ({"patterns": {}}, r"it is a list of tables, `\[\[mask.patterns\]\]`"),
    ({"patterns": [{"name": "A"}]}, r"`\[\[mask.patterns\]\]` `A` has the pattern None; allowed is a regular exp"),
    ({"patterns": [{"name": "A", "pattern": "x", "flags": 1}]}, "has the unknown key `flags`; allowed are `name`, `p"),
    (pattern("x", "ticket"), "has the name 'ticket'; allowed are up to 32 of `A` to `Z` and `_`, as in `TICKET`, but"),
    (pattern("x", "A_1"), "has the name 'A_1'"),
    (pattern("x", "REDACTED"), "has the name 'REDACTED'"),
    (pattern("("), r"`OWN`: the pattern '\(' is not a regular expression: missing \)"),
    (pattern("[[a]b]"), "is not a regular expression: Possible nested set"),
    (pattern("[0-9]*"), r"`OWN`: the pattern '\[0-9\]\*' matches the empty text"),
    (pattern(r"(.)\1"), "refers back to a group"),
    (pattern("x" * 10_000), "is too large"),
    (pattern("(a+)+$"), r"`OWN`: the pattern '\(a\+\)\+\$' can take very long on some texts; begin it with something"),
    ({"patterns": [{"name": "A", "pattern": "x"}] * 51}, "51 `.*`; allowed are 50"),
]


@pytest.mark.parametrize(("table", "message"), WRONG, ids=[message[-40:] for _, message in WRONG])
def test_a_wrong_table_is_refused_with_what_is_allowed(table, message):
    with pytest.raises(ConfigError, match=message):
        rules(**table)


def test_a_wrong_table_is_found_when_settings_are_read(said):
    said("[[mask.patterns]]\nname = 'A'\npattern = '(a+)+$'\n")
    with pytest.raises(ConfigError, match="can take very long"):
        load_settings()


@pytest.mark.parametrize("table", ["alow = []\n", "[[mask.patterns]]\nname = 'A'\npattern = '('\n", "not toml"])
def test_with_a_wrong_table_nothing_goes_out_unmasked(said, table):
    said(table)
    assert mask("nothing in here") == "[REDACTED]"
    assert mask_clip("nothing in here but this", 100) == "[REDACTED]"
    assert mask_json({"who knows": "nothing"}, 100) == {"[REDACTED]": "[REDACTED]"}
    assert app_settings().content == "off"


SLOW = [
    "(a+)+$", "(a|a)*b", "(a|ab|b)*c", "[A-Z]+-[0-9]+", r"\d+\d+x", r"\w+@\w+\.\w+", "(x+x+)+y", ".*a", "<[^>]*>",
    "key=.*;", r"(?:\w+\s?)+:", "a{1,500}b", "(?i)(?:A+)+!", "(?=(a+)+b)a", r"\s+$", "(?:a{1,30}){1,30}b", "foo.*bar",
    "(a|b|ab)+c", r"\b\w+\b.*secret", "(?:a|aa)+$", "[ab]*[bc]*[cd]*x", "([^-]+-)+x", r"(?:\.?[a-z]+)+\d",
    "(?:é|e|É)+x",    r"(?<=x)[a-z]+\d+[a-z]+!", r"(?:(?:[0-9]{1,3})+,?)+;",
]  # fmt: skip
QUICK = [
    "TCK-[0-9]{6}", r"\bTCK-[0-9]+\b", r"\b[A-Z]+-[0-9]+\b", r"[\w.]{1,64}@corp\.example", "foo.{0,60}bar",
    r"(?i)\bemployee\s{0,3}#?[0-9]{4,8}", "(?:CUST|CUSTOMER)-[A-Z0-9]{3,12}", "(?<![0-9])[0-9]{9}(?![0-9])",
    r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}\b", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", r"\b\w+@\w+", "[0-9]+",
    "projekt[ -]?[a-zäöü]+", r"Kd\.?-?Nr\.?:? ?\d{5,10}", r"\bsecret:\S+", "[A-Z]{1,20}[0-9]{1,20}",
    "(?m)^Kunde: .{1,40}$",
]  # fmt: skip


@pytest.mark.parametrize("text", SLOW)
def test_a_pattern_that_can_be_slow_is_refused(text):
    assert "can take very long" in why_refused(text)


@pytest.mark.parametrize("text", QUICK)
def test_a_pattern_that_cannot_be_slow_is_taken(text):
    assert why_refused(text) is None


BUSY = [r"(?:\b" + r"|\B|\b" * 400 + ")y", "a?" * 1500 + "y", "(" * 90 + "a" + ")+" * 90]


@pytest.mark.parametrize("text", BUSY, ids=["branches", "options", "nested"])
def test_a_pattern_made_to_keep_the_check_busy_is_refused(text):
    assert why_refused(text) is not None


def test_no_pattern_hangs_the_check():
    """Made of what makes patterns slow: each is judged, and those that are taken are quick on texts of their own."""
    chance = random.Random(7)
    parts = ["a", "b", "[ab]", ".", r"\w", "(?:a|b)", "(?:a|ab)", r"\b", "x"]
    repeats = ["", "+", "*", "{1,9}", "{2,}", "?", "+?"]
    taken = 0
    for _ in range(150):
        text = ""
        for _ in range(chance.randint(1, 4)):
            inner = "".join(chance.choice(parts) + chance.choice(repeats) for _ in range(chance.randint(1, 3)))
            text += f"(?:{inner}){chance.choice(repeats)}"
        if why_refused(text) is None:
            taken += 1
            for pump in ("a", "b", "ab", "a ", "x"):
                re.search(text, pump * 1000 + "!")
    assert taken > 10


def test_a_long_text_is_searched_in_windows_and_nothing_is_missed():
    found = rules(**pattern("<[a-z]{5,400}>"))
    values = [f"<{'abcde' * chance}>" for chance in (1, 7, 60, 79, 3)]
    for shift in range(0, 2100, 97):
        text = "." * shift + "".join(f"{value}{'.' * 700}" for value in values)
        assert [text[span.start : span.end] for span in found.find(text)] == values


def test_a_value_longer_than_a_window_is_masked_to_its_end_or_in_pieces():
    text = "<" + "a" * 10_000 + ">"
    covered = sum(span.end - span.start for span in rules(**pattern("a+")).find(text))
    assert covered == 10_000
    (span,) = rules(**pattern(f"<a{{1,{100}}}")).find(text)
    assert span.end - span.start == 101 < OVERLAP_CHARS
