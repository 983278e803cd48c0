"""Pseudonyms of users stay the same, and depend on a key that only the owner can read."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from vigilo.errors import ConfigError
from vigilo.policy.pseudonym import (
    KEY_BYTES,
    Key,
    client_pseudonym,
    is_pseudonym,
    load_key,
    load_keys,
    pseudonyms,
    rotate_key,
    user_pseudonym,
)
from vigilo.settings import load_settings

ONE, OTHER = Key(b"a" * KEY_BYTES), Key(b"b" * KEY_BYTES)


def test_a_pseudonym_is_keyed():
    one, other = ONE, OTHER
    assert user_pseudonym("jane@example.com", one) == "u_912789dd345bb3ef80753279"
    assert user_pseudonym("jane@example.com", one) != user_pseudonym("jane@example.com", other)
    assert user_pseudonym("jane@example.com", one) != user_pseudonym("june@example.com", one)
    assert len(user_pseudonym("\ud83d", one)) == 26


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    home = tmp_path / "not" / "yet"
    key = load_key(home)
    load_keys.cache_clear()
    assert load_key(home) == key
    assert [path.name for path in home.iterdir()] == ["user_id.key"]
    assert (home / "user_id.key").read_text("ascii").strip() == key.secret.hex()
    if os.name == "posix":
        assert (home / "user_id.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_race_for_the_first_key_get_the_same(tmp_path):
    program = (
        "import sys, pathlib; from vigilo.policy.pseudonym import load_key;"
        "sys.stdin.readline(); print(load_key(pathlib.Path(sys.argv[1])).secret.hex())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(6)
    ]
    for process in racing:
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in racing}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


@pytest.mark.parametrize("content", ["", "not hex", "00" * 8])
def test_a_broken_key_file_is_not_used_and_the_user_is_told(tmp_path, caplog, content):
    (tmp_path / "user_id.key").write_text(content)
    with caplog.at_level(logging.WARNING, "vigilo"):
        key = load_key(tmp_path)
        assert load_key(tmp_path) == key
    assert len(key.secret) == KEY_BYTES
    assert key.secret not in (b"\0" * KEY_BYTES, bytes.fromhex("00" * 8))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert (tmp_path / "user_id.key").read_text() == content


def test_without_a_place_for_the_key_the_process_has_one_of_its_own(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING, "vigilo"):
        assert load_key(tmp_path / "file") == load_key(tmp_path / "file")
    assert len(caplog.records) == 1


def test_a_clients_pseudonym_is_keyed_and_tells_both_its_parts():
    one, other = ONE, OTHER
    known = client_pseudonym("192.0.2.1", "Firefox", one)
    assert known == client_pseudonym("192.0.2.1", "Firefox", one)
    assert known.startswith("anon-")
    assert len(known) == len("anon-") + 24
    others = [
        client_pseudonym("192.0.2.1", "Firefox", other),
        client_pseudonym("192.0.2.2", "Firefox", one),
        client_pseudonym("192.0.2.1", "Chrome", one),
        client_pseudonym("192.0.2.1F", "irefox", one),
    ]
    assert len({known, *others}) == 5


def test_the_same_id_in_two_tenants_is_two_people():
    told = {
        user_pseudonym("jane", ONE),
        user_pseudonym("jane", ONE, "acme"),
        user_pseudonym("jane", ONE, "emca"),
        user_pseudonym("ejane", ONE, "acm"),
        user_pseudonym("acmejane", ONE),
    }
    assert len(told) == 5
    assert user_pseudonym("jane", ONE, "acme") == user_pseudonym("jane", ONE, "acme")


def test_a_new_key_stands_before_the_old_ones_and_its_pseudonyms_say_so(tmp_path):
    first = load_key(tmp_path)
    (before,) = pseudonyms("jane", tmp_path, "acme")
    second = rotate_key(tmp_path)
    third = rotate_key(tmp_path)
    assert load_key(tmp_path) == first
    load_keys.cache_clear()
    assert load_keys(tmp_path) == (third, second, first)
    assert [key.number for key in load_keys(tmp_path)] == ["3", "2", ""]
    now, between, old = pseudonyms("jane", tmp_path, "acme")
    assert old == before
    assert between.startswith("u_2_")
    assert now == user_pseudonym("jane", load_key(tmp_path), "acme")
    assert all(map(is_pseudonym, (now, between, old)))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("user_id")] == ["user_id.key"]
    if os.name == "posix":
        assert (tmp_path / "user_id.key").stat().st_mode & 0o777 == 0o600


def test_a_broken_key_file_is_not_rotated_away(tmp_path):
    (tmp_path / "user_id.key").write_text("not hex")
    with pytest.raises(ConfigError, match="does not hold 64 hex digits a line; restore it, or delete it"):
        rotate_key(tmp_path)
    assert (tmp_path / "user_id.key").read_text() == "not hex"


def test_many_machines_share_a_key_by_a_variable(tmp_path, monkeypatch):
    old, new = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
    monkeypatch.setenv("VIGILO_USER_ID_KEY", f"2:{new.hex()}, {old.hex()}")
    load_keys.cache_clear()
    assert load_keys(tmp_path) == (Key(new, "2"), Key(old))
    assert list(tmp_path.glob("user_id*")) == []
    assert load_settings().user_ids == "pseudonym"
    with pytest.raises(ConfigError, match="the keys are in `VIGILO_USER_ID_KEY`"):
        rotate_key(tmp_path)


def test_a_wrong_key_in_the_variable_is_not_used_and_not_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("VIGILO_USER_ID_KEY", "password1")
    load_keys.cache_clear()
    assert load_key(tmp_path).secret == load_key(tmp_path).secret != b""
    assert "no key for user ids in `VIGILO_USER_ID_KEY`" in caplog.text
    assert "password1" not in caplog.text


def test_what_is_no_pseudonym():
    assert is_pseudonym(client_pseudonym("192.0.2.1", "Firefox", ONE))
    assert not any(map(is_pseudonym, ("u_jane", "u_" + "g" * 24, "x" + user_pseudonym("jane", ONE), "u_0_" + "a" * 24)))
