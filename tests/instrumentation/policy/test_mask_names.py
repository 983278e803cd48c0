"""Names of persons: found by a plug-in of the user's, masked beside everything else, never shown when it fails."""

from __future__ import annotations

import json
import sys

import pytest

from vigilo.errors import ConfigError, MissingExtraError
from vigilo.policy.mask import mask
from vigilo.policy.mask.names import find_names_with_presidio, mask_names, mask_names_in_text, wants_names
from vigilo.policy.mask.user_rules import user_rules

PLUG_IN = '''
import re

def find(text):
    """Capital words after a title, as a list of (start, end, type)."""
    return [(found.start(1), found.end(1), "PERSON") for found in re.finditer(r"(?:Mr|Ms|Dr) ([A-Z][a-z]+)", text)]

def all_of_it(text):
    return [(0, len(text), "PERSON")]

def overlapping(text):
    return [(3, 6, "PERSON"), (0, 4, "PERSON"), (0, 2, "OTHER")]

def outside(text):
    return [(0, len(text) + 1, "PERSON")]

def wrong_type(text):
    return [(0, 1, "person jane")]

def broken(text):
    raise RuntimeError(text)

number = 7
'''


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Names a plug-in in ``vigilo.toml``."""
    (tmp_path / "plug_in_of_names.py").write_text(PLUG_IN, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plug_in_of_names", raising=False)

    def name(function):
        (tmp_path / "vigilo.toml").write_text(f'[mask]\nnames = "{function}"\n', "utf-8")
        monkeypatch.setenv("VIGILO_CONFIG", str(tmp_path / "vigilo.toml"))
        user_rules.cache_clear()

    yield name
    user_rules.cache_clear()


def test_without_a_plug_in_names_stay():
    user_rules.cache_clear()
    assert not wants_names()
    assert mask_names("Dr Ada") == "Dr Ada"
    assert mask("Dr Ada") == "Dr Ada"


def test_names_are_masked_beside_the_rest(named):
    named("plug_in_of_names:find")
    assert wants_names()
    assert mask("Dr Jones, jane@example.com, and Ms Lee") == "Dr [PERSON], [EMAIL], and Ms [PERSON]"
    assert mask(mask("Dr Jonas")) == "Dr [PERSON]"


def test_names_in_messages_and_their_json(named):
    named("plug_in_of_names:find")
    arguments = {"name": "Ms Lee", "to": ["Dr Jones"], "note": json.dumps({"from": "Mr Bean"})}
    messages = [
        {"role": "user", "name": "ada", "parts": [{"type": "text", "content": 'ask "Dr Jones"'}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "Mr", "arguments": json.dumps(arguments)}]},
    ]
    shown = json.loads(mask_names(json.dumps(messages)))
    assert shown[0] == {"role": "user", "name": "ada", "parts": [{"type": "text", "content": 'ask "Dr [PERSON]"'}]}
    part = shown[1]["parts"][0]
    assert part["name"] == "Mr"
    assert json.loads(part["arguments"]) == {
        "name": "Ms [PERSON]",
        "to": ["Dr [PERSON]"],
        "note": '{"from":"Mr [PERSON]"}',
    }
    assert mask_names({"body": ["Dr Jones", 7, None]}) == {"body": ["Dr [PERSON]", 7, None]}
    assert mask_names(("Dr Jones", 1.5)) == ["Dr [PERSON]", 1.5]


def test_what_is_masked_already_stays_whatever_the_plug_in_says(named):
    named("plug_in_of_names:all_of_it")
    assert mask_names_in_text("I am [EMAIL_2] or [PHONE]") == "[PERSON][EMAIL_2][PERSON][PHONE]"
    assert mask_names_in_text("123 456") == "123 456"


def test_spans_that_overlap_are_one(named):
    named("plug_in_of_names:overlapping")
    assert mask_names_in_text("abcdefgh") == "[OTHER]gh"


@pytest.mark.parametrize("function", ["broken", "outside", "wrong_type", "number", "absent"])
def test_a_plug_in_that_fails_shows_nothing(named, function, caplog):
    named(f"plug_in_of_names:{function}")
    for text in ("Dr Jones is here", "Dr Jones is there"):
        assert mask_names_in_text(text) == "[REDACTED]"
        assert mask(text) == "[REDACTED]"
        assert json.loads(mask_names(json.dumps([{"role": "user", "parts": [{"content": text}]}]))) == [
            {"role": "user", "parts": [{"content": "[REDACTED]"}]}
        ]
    assert "Jones" not in caplog.text


def test_a_plug_in_that_is_not_there_is_told_once(named, caplog):
    named("no_such_module_of_names:find")
    assert mask_names_in_text("Dr Who") == mask_names_in_text("Ms Who") == "[REDACTED]"
    told = [record.getMessage() for record in caplog.records if "cannot be imported" in record.getMessage()]
    assert told == [
        "vigilo: `names` in `[mask]` is `no_such_module_of_names:find`, which cannot be imported: ModuleNotFoundError. "
        "Texts that may hold names are left out as [REDACTED]."
    ]


def test_presidio_that_is_not_installed_is_told_how_to_get():
    try:
        found = find_names_with_presidio("My name is Jane Doe and I live in Berlin.")
    except MissingExtraError as error:
        assert str(error) == (  # noqa: PT017
            "masking names by Presidio needs an optional part of vigilo: pip install 'vigilo-otel[presidio]'"
        )
    except ConfigError as error:
        assert str(error) == "Presidio needs a model of spaCy: python -m spacy download en_core_web_sm"  # noqa: PT017
    else:
        assert [found] == [[(11, 19, "PERSON")]]
