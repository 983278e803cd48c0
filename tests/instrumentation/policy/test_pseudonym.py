"""Pseudonyms of users stay the same, and depend on a key that only the owner can read."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from vigilo.policy.pseudonym import KEY_BYTES, client_pseudonym, load_key, user_pseudonym


def test_a_pseudonym_is_keyed():
    one, other = b"a" * KEY_BYTES, b"b" * KEY_BYTES
    assert user_pseudonym("jane@example.com", one) == "u_912789dd345bb3ef80753279"
    assert user_pseudonym("jane@example.com", one) != user_pseudonym("jane@example.com", other)
    assert user_pseudonym("jane@example.com", one) != user_pseudonym("june@example.com", one)
    assert len(user_pseudonym("\ud83d", one)) == 26


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    home = tmp_path / "not" / "yet"
    key = load_key(home)
    load_key.cache_clear()
    assert load_key(home) == key
    assert [path.name for path in home.iterdir()] == ["user_id.key"]
    assert (home / "user_id.key").read_text("ascii").strip() == key.hex()
    if os.name == "posix":
        assert (home / "user_id.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_race_for_the_first_key_get_the_same(tmp_path):
    program = (
        "import sys, pathlib; from vigilo.policy.pseudonym import load_key;"
        "sys.stdin.readline(); print(load_key(pathlib.Path(sys.argv[1])).hex())"
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
    assert len(key) == KEY_BYTES
    assert key not in (b"\0" * KEY_BYTES, bytes.fromhex("00" * 8))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert (tmp_path / "user_id.key").read_text() == content


def test_without_a_place_for_the_key_the_process_has_one_of_its_own(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING, "vigilo"):
        assert load_key(tmp_path / "file") == load_key(tmp_path / "file")
    assert len(caplog.records) == 1


def test_a_clients_pseudonym_is_keyed_and_tells_both_its_parts():
    one, other = b"a" * KEY_BYTES, b"b" * KEY_BYTES
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
