"""Prices are read again when their files change; what is wrong does not take the place of what was right."""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest

from vigilo.capture.call import Usage
from vigilo.policy import live_prices, pricing
from vigilo.policy.live_prices import LivePrices
from vigilo.policy.price_table import PriceTable, newest_change, packaged_table, table_of
from vigilo.policy.pricing import call_cost, price
from vigilo.settings import app_settings

MILLION = Usage(input_tokens=1_000_000)
DATA = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": "https://api.openai.com",
        "models": [
            {
                "id": "gpt-4o",
                "match": {"equals": "gpt-4o"},
                "prices": [
                    {"prices": {"input_mtok": 2.5}},
                    {"constraint": {"start_date": "2026-11-20"}, "prices": {"input_mtok": 2.25}},
                ],
            }
        ],
    }
]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A settings file that is looked at without delay, and prices of its own for the test."""
    path = tmp_path / "vigilo.toml"
    monkeypatch.setenv("VIGILO_CONFIG", str(path))
    monkeypatch.setattr(live_prices, "LOOK_EVERY_S", 0.0)
    path.write_text("", "utf-8")
    app_settings.cache_clear()
    monkeypatch.setattr(live_prices, "live", LivePrices())
    return path


def write(path, rate, moment=[0]):  # noqa: B006 - each version has a time of its own
    text = f'[prices]\n[[prices.models]]\nprovider = "openai"\nmodel = "gpt-4o"\ninput = {rate}\n'
    beside = path.with_suffix(".new")
    beside.write_text(text, "utf-8")
    moment[0] += 1
    os.utime(beside, (time.time() + moment[0], time.time() + moment[0]))
    beside.replace(path)


def cost():
    return call_cost("openai", "gpt-4o", MILLION, None, time.time())


def eventually(expected):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if cost().usd == expected:
            return True
        time.sleep(0.01)
    return False


def test_a_change_is_taken_up_by_the_app(config):
    assert cost().usd == Decimal("2.5")
    write(config, 2)
    assert eventually(2)
    assert (cost().source, cost().snapshot) == ("user", f"over {pricing.snapshot()}")
    write(config, 3)
    assert price("openai", "gpt-4o", MILLION) == 3, "the function does not answer by what is old"
    config.unlink()
    assert eventually(Decimal("2.5"))


def test_a_wrong_version_leaves_the_last_good_one_and_is_told_of_once(config, caplog):
    write(config, 2)
    assert eventually(2)
    with caplog.at_level(logging.ERROR, "vigilo"):
        write(config, 0.000002)
        for _ in range(200):
            assert cost().usd == 2
            time.sleep(0.001)
        live_prices.live.join(10)
        assert price("openai", "gpt-4o", MILLION) == 2
    assert len(caplog.records) == 1
    assert "per token" in caplog.text
    assert "the last good version stays in use" in caplog.text
    write(config, 4)
    assert eventually(4)


def test_the_apps_path_reads_no_file(config, monkeypatch):
    assert cost()
    write(config, 2)
    readers = []
    monkeypatch.setattr(live_prices.LivePrices, "_reload", lambda self: readers.append(self))
    assert cost().usd == Decimal("2.5")
    live_prices.live.join(10)
    assert len(readers) == 1


def test_files_are_looked_at_once_in_a_while(config, monkeypatch):
    assert cost()
    monkeypatch.setattr(live_prices, "LOOK_EVERY_S", 3600.0)
    looked = []
    monkeypatch.setattr(live_prices, "_stamp", lambda path: looked.append(path))
    live_prices.live.look_at = 0.0
    monkeypatch.setattr(live_prices.LivePrices, "_reload", lambda self: self._busy.release())
    for _ in range(100):
        cost()
    assert 0 < len(looked) <= 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_reads_again_too(config):
    assert cost()
    child = os.fork()
    if child == 0:
        write(config, 2)
        os._exit(0 if eventually(2) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert eventually(2)


def kept(day):
    return json.dumps({"date": day.isoformat(), "providers": DATA})


def test_a_kept_table_is_used_while_it_is_the_newer_one(tmp_path, config):
    home = tmp_path / "home"
    (home / "prices").mkdir(parents=True)
    file = home / "prices" / "genai-prices.json"
    packaged = packaged_table()
    for days, version in ((1, "update"), (-1, packaged.version)):
        file.write_text(kept(packaged.day + timedelta(days)), "utf-8")
        book = LivePrices(home).up_to_date()
        assert book.table.version == version
    file.write_text(kept(packaged.day + timedelta(20)), "utf-8")
    book = LivePrices(home).up_to_date()
    assert book.snapshot == f"update ({packaged.day + timedelta(20)})"
    at = time.mktime((2026, 11, 25, 0, 0, 0, 0, 0, 0))
    assert book.card("openai", "gpt-4o", None, at).usd(MILLION) == Decimal("2.25")


def test_a_kept_table_that_cannot_be_read_is_told_of(tmp_path, config, caplog):
    home = tmp_path / "home"
    (home / "prices").mkdir(parents=True)
    (home / "prices" / "genai-prices.json").write_text("[1]", "utf-8")
    with caplog.at_level(logging.ERROR, "vigilo"):
        assert LivePrices(home).up_to_date().table.version == packaged_table().version
    assert "the installed one is used" in caplog.text


def test_the_day_of_a_table_is_that_of_its_newest_change_that_is_not_to_come():
    assert newest_change(table_of(DATA, date.min).providers, date(2026, 12, 1)) == date(2026, 11, 20)
    assert newest_change(table_of(DATA, date.min).providers, date(2026, 11, 1)) == date(2025, 1, 1)
    assert packaged_table().day > date(2026, 9, 1)


@pytest.mark.parametrize(("days", "level"), [(45, None), (46, logging.WARNING), (121, logging.ERROR)])
def test_an_old_table_is_told_of(caplog, days, level):
    from datetime import datetime, timezone

    day = datetime.now(timezone.utc).date() - timedelta(days)
    with caplog.at_level(logging.INFO, "vigilo"):
        live_prices._warn_if_old(PriceTable([], "0.2.3", day), 45)
        live_prices._warn_if_old(PriceTable([], "0.2.3", day), 0)
    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])
    if level:
        assert f"0.2.3 ({day})" in caplog.text
        assert "vigilo prices update --from FILE" in caplog.text
