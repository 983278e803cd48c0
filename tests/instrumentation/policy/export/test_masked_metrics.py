"""Metrics of other instrumentors, for readers that push and readers that pull."""

from __future__ import annotations

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from vigilo.policy.export import install
from vigilo.policy.export.metrics import masked_metrics

JANE, JOHN = "jane.roe@example.com", "john@example.org"


def points(reader):
    """Metric -> points, and all of it as text."""
    data = reader.get_metrics_data()
    found = {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    return found, repr(data)


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def meter(in_force, reader):
    provider = MeterProvider(
        [reader],
        resource=Resource.create({"owner": JANE}),
        shutdown_on_exit=False,
        exemplar_filter=AlwaysOnExemplarFilter(),
        views=[
            View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation()),
            View(instrument_name="kept", attribute_keys={"plan"}),
        ],
    )
    yield provider.get_meter("another", attributes={"team": JANE})
    provider.shutdown()


def test_attributes_of_points_are_masked(meter, reader):
    meter.create_counter("orders").add(2, {"by": JANE, "plan": "free", f"name {JANE}": 1})
    found, text = points(reader)
    (point,) = found["orders"]
    assert dict(point.attributes) == {"by": "[EMAIL]", "plan": "free", "name [EMAIL]": 1}
    assert point.value == 2
    assert "jane" not in text  # nor in the resource, the scope or an exemplar


def test_exemplars_carry_what_a_view_left_out_and_are_masked(meter, reader):
    meter.create_histogram("kept").record(1, {"plan": "free", "by": JANE})
    found, text = points(reader)
    (point,) = found["kept"]
    assert [dict(exemplar.filtered_attributes) for exemplar in point.exemplars] == [{"by": "[EMAIL]"}]
    assert dict(point.attributes) == {"plan": "free"}
    assert "jane" not in text


def test_series_that_become_equal_are_added_up(meter, reader):
    counter, updown = meter.create_counter("orders"), meter.create_up_down_counter("open")
    for value, who in ((2, JANE), (3, JOHN), (5, "nobody")):
        counter.add(value, {"by": who})
        updown.add(-value, {"by": who})
    found, _ = points(reader)
    for name, sign in (("orders", 1), ("open", -1)):
        values = {point.attributes["by"]: point.value for point in found[name]}
        assert values == {"[EMAIL]": 5 * sign, "nobody": 5 * sign}
        (added,) = (point for point in found[name] if point.attributes["by"] == "[EMAIL]")
        assert len(added.exemplars) == 2


def test_of_gauges_the_latest_stays(meter, reader):
    gauge = meter.create_gauge("level")
    gauge.set(1, {"by": JANE})
    gauge.set(2, {"by": JOHN})
    found, _ = points(reader)
    (point,) = found["level"]
    assert point.value in (1, 2)


def test_observed_values_are_masked_too(meter, reader):
    meter.create_observable_counter("seen", [lambda _: [Observation(1, {"by": JANE}), Observation(2, {"by": JOHN})]])
    for _ in range(2):
        found, text = points(reader)
        (point,) = found["seen"]
        assert point.value == 3
        assert "jane" not in text


def test_histograms_are_added_bucket_by_bucket(meter, reader):
    histogram = meter.create_histogram("seconds", explicit_bucket_boundaries_advisory=[1, 10])
    for value, who in ((0.5, JANE), (5, JOHN), (50, JOHN)):
        histogram.record(value, {"by": who})
    (point,) = points(reader)[0]["seconds"]
    assert (point.count, point.sum, point.min, point.max) == (3, 55.5, 0.5, 50)
    assert list(point.bucket_counts) == [1, 1, 1]


@pytest.mark.parametrize(
    ("ones", "others"),
    [
        ([1, 2, 3], [1.5, 2.5]),
        ([1e-6, 1.0], [1e6]),
        ([0, 0, 7], [-3, 0]),
        ([1.0001, 1.0002], [1e9, 1e-9]),
        ([5], [5]),
        ([0], [0]),
    ],
)
def test_exponential_histograms_are_added_in_the_coarser_scale(in_force, ones, others):
    def point_of(*series):
        reader = InMemoryMetricReader()
        view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
        provider = MeterProvider([reader], shutdown_on_exit=False, views=[view])
        histogram = provider.get_meter("another").create_histogram("sizes")
        for who, values in series:
            for value in values:
                histogram.record(value, {"by": who})
        (point,) = points(reader)[0]["sizes"]
        provider.shutdown()
        return point

    added = point_of((JANE, ones), (JOHN, others))
    direct = point_of(("[EMAIL]", [*ones, *others]))
    assert (added.count, added.sum, added.min, added.max) == (direct.count, direct.sum, direct.min, direct.max)
    assert added.zero_count == direct.zero_count
    for side in ("positive", "negative"):
        assert counts_at(getattr(added, side), added.scale, direct.scale) == counts_at(
            getattr(direct, side), direct.scale, added.scale
        )


def counts_at(buckets, scale, other):
    """Bucket -> count, in the coarser of two scales."""
    counts = {}
    for place, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            place >>= scale - min(scale, other)
            counts[place] = counts.get(place, 0) + count
    return counts


def test_clean_metrics_are_the_same_object(in_force, reader):
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("another").create_counter("orders").add(1, {"plan": "free"})
    install.release("test")
    try:
        data = reader.get_metrics_data()
    finally:
        install.hold("test")
    assert masked_metrics(data) is data
    assert masked_metrics(None) is None
    provider.shutdown()


@pytest.mark.parametrize("is_before", [False, True])
def test_readers_that_were_there_before_are_covered(reader, is_before):
    steps = [lambda: MeterProvider([reader], shutdown_on_exit=False), lambda: install.hold("test")]
    made = [step() for step in (steps if is_before else reversed(steps))]
    provider = next(step for step in made if step is not None)
    provider.get_meter("another").create_counter("orders").add(1, {"by": JANE})
    found, text = points(reader)
    assert "jane" not in text
    assert found["orders"][0].value == 1
    late = InMemoryMetricReader()
    provider.add_metric_reader(late)
    provider.get_meter("another").create_counter("orders").add(1, {"by": JANE})
    assert "jane" not in points(late)[1]
    provider.shutdown()
