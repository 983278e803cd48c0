"""Kaggle itself is not reached from here: a package of the same name answers as its client does."""

from __future__ import annotations

import os

import pytest

from vigilo.notebook.kaggle_quota import (
    NoAnswerError,
    Quota,
    answer_of_kaggle,
    ask_kaggle,
    has_credentials,
    read_answer,
)
from vigilo.notebook.place import Place

CLIENT = """
import os
from datetime import datetime, timedelta
from types import SimpleNamespace as Value

class KaggleApi:
    def authenticate(self):
        if "KAGGLE_KEY" not in os.environ:
            print("how to authenticate"); exit(1)
    def quota_view(self):
        print("noise")
        {before}
        return Value(
            quota_refresh_time={refresh},
            gpu_quota=Value(time_used=timedelta(hours=3.5), total_time_allowed=timedelta(hours=30)),
            tpu_quota={tpu},
        )
"""


@pytest.fixture
def client(tmp_path, monkeypatch):
    def write(refresh="datetime(2026, 11, 28)", before="pass", tpu="None"):
        package = tmp_path / "packages" / "kaggle" / "api"
        package.mkdir(parents=True)
        (package.parent / "__init__.py").write_text("")
        (package / "__init__.py").write_text("")
        (package / "kaggle_api_extended.py").write_text(CLIENT.format(refresh=refresh, before=before, tpu=tpu))
        monkeypatch.syspath_prepend(str(tmp_path / "packages"))
        return {**os.environ, "PYTHONPATH": str(tmp_path / "packages")}

    return write


def test_what_kaggle_tells(tmp_path, client):
    environ = {**client(), "KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}
    quotas = ask_kaggle(Place(tmp_path, environ))
    assert quotas == (Quota("gpu", 3.5 * 3600, 30 * 3600, 1_795_824_000.0),)


def test_no_time_of_reset(tmp_path, client):
    environ = {**client("None"), "KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}
    assert ask_kaggle(Place(tmp_path, environ))[0].resets_at_s is None


@pytest.mark.parametrize(
    ("used", "allowed", "expected"),
    [("None", "timedelta(hours=20)", (Quota("tpu", 0.0, 20 * 3600, None),)), ("timedelta(hours=1)", "None", ())],
)
def test_a_field_that_is_absent_takes_no_other_along(tmp_path, client, used, allowed, expected):
    tpu = f"Value(time_used={used}, total_time_allowed={allowed})"
    environ = {**client("None", tpu=tpu), "KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}
    assert ask_kaggle(Place(tmp_path, environ)) == (Quota("gpu", 3.5 * 3600, 30 * 3600, None), *expected)


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("raise ConnectionError('no internet')", "ConnectionError"),
        ("raise AttributeError('an older client')", "AttributeError"),
        ("exit(3)", "the client ended with 3"),
    ],
)
def test_nobody_answers(tmp_path, client, before, name):
    place = Place(tmp_path, {**client(before=before), "KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"})
    assert ask_kaggle(place) == ()
    with pytest.raises(NoAnswerError, match=f"^{name}$"):
        answer_of_kaggle(place)


def test_credentials_that_the_client_does_not_take(tmp_path, client):
    assert ask_kaggle(Place(tmp_path, {**client(), "KAGGLE_API_TOKEN": "t"})) == ()


def test_without_credentials_nothing_is_asked(tmp_path, client):
    environ = {**client(before="raise SystemError"), "HOME": "/home/me"}
    assert not has_credentials(Place(tmp_path, environ))
    assert ask_kaggle(Place(tmp_path, environ)) == ()


@pytest.mark.parametrize(
    ("environ", "file", "expected"),
    [
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}, None, True),
        ({"KAGGLE_USERNAME": "me"}, None, False),
        ({"KAGGLE_API_TOKEN": "t"}, None, True),
        ({"HOME": "/home/me"}, "home/me/.kaggle/kaggle.json", True),
        ({"HOME": "/home/me"}, "home/me/.kaggle/access_token", True),
        ({"HOME": "/home/me"}, "home/me/.kaggle/access_token.txt", True),
        ({"HOME": "/home/me"}, "home/me/.config/kaggle/kaggle.json", True),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "/xdg"}, "xdg/kaggle/kaggle.json", True),
        # As it is in Kaggle's own notebooks.
        ({"HOME": "/home/me", "KAGGLE_API_V1_TOKEN": "/etc/token"}, "etc/token", True),
        ({"HOME": "/home/me", "KAGGLE_API_V1_TOKEN": "/etc/token"}, None, False),
        ({"KAGGLE_CONFIG_DIR": "/etc/k"}, "etc/k/kaggle.json", True),
        ({"HOME": "/home/me"}, None, False),
        # It is for data sets of the notebook, and a secret.
        ({"KAGGLE_USER_SECRETS_TOKEN": "t", "HOME": "/home/me"}, None, False),
    ],
)
def test_credentials(tmp_path, environ, file, expected):
    if file is not None:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}")
    assert has_credentials(Place(tmp_path, environ)) is expected


def test_nothing_printed():
    assert read_answer("") == read_answer("noise\n") == ()
