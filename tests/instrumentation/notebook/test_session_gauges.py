from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.instrumentation.notebook.world import COLAB, KAGGLE, World

from vigilo import semconv


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def meter(reader):
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield provider.get_meter(semconv.SCOPE)
    provider.shutdown()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "root", tmp_path / "home")
    world.boot()
    return world


def collected(reader):
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: {tuple(dict(point.attributes).values()): point.value for point in metric.data.data_points}
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.data.data_points
    }


def test_colab(world, meter, reader):
    world.environ.update(COLAB)
    world.mount_drive()
    world.gpus = ["Tesla T4"]
    session = world.session()
    session.tell(meter)
    session.tell(meter)
    world.advance(600, session)
    told = collected(reader)
    assert told["notebook.session.uptime"] == {(): 600.0}
    assert told["notebook.session.limit"] == {("documented",): 43_200.0}
    assert told["notebook.session.remaining"] == {("documented",): 42_600.0}
    assert told["notebook.idle.time"] == {(): 600.0}
    assert told["notebook.idle.limit"] == {("reported",): 5400.0}
    assert told["notebook.cell.busy"] == {(): 0}
    assert told["notebook.drive.mounted"] == told["notebook.internet.up"] == {(): 1}
    assert set(told["notebook.storage.usage"]) == {("ephemeral",), ("drive",)}
    assert told["notebook.kernel.restarts"] == told["notebook.accelerator.changes"] == {(): 0}
    assert told["notebook.quota.usage"] == {("gpu", "ledger"): pytest.approx(600, abs=40)}
    assert "notebook.quota.limit" not in told
    # Each collection reads anew.
    session.cell_began()
    world.advance(30)
    told = collected(reader)
    assert told["notebook.cell.busy"] == {(): 1}
    assert told["notebook.session.uptime"] == {(): 630.0}


def test_kaggle(world, meter, reader):
    world.environ.update(KAGGLE)
    world.folder("/kaggle/working")
    world.gpus = ["Tesla P100"]
    session = world.session()
    session.tell(meter)
    world.advance(60, session)
    told = collected(reader)
    assert told["notebook.quota.limit"] == {("gpu", "reported"): 108_000.0}
    assert told["notebook.storage.limit"][("output",)] == 20e9
    assert "notebook.drive.mounted" not in told


def test_what_is_not_known_is_absent(world, meter, reader):
    session = world.session()
    session.tell(meter)
    session.tick()
    told = collected(reader)
    assert set(told) == {
        "notebook.session.uptime",
        "notebook.idle.time",
        "notebook.cell.busy",
        "notebook.storage.usage",
        "notebook.storage.limit",
        "notebook.kernel.restarts",
        "notebook.accelerator.changes",
    }


def test_a_session_that_was_ended_tells_nothing(world, meter, reader):
    session = world.session()
    session.tell(meter)
    session.start()
    session.stop()
    assert collected(reader) == {}
    session.start()
    assert "notebook.session.uptime" in collected(reader)
    session.stop()
