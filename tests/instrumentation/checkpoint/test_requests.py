import pytest

from vigilo.checkpoint.requests import MIN_INTERVAL_S, QUIET_S, RETRY_S, Requests


@pytest.fixture
def requests(clock):
    return Requests(clock.monotonic_s, 900.0)


def serve(requests):
    reason = requests.due()
    if reason is not None:
        requests.served()
    return reason


def test_many_requests_are_one_checkpoint_and_the_highest_reason_is_told(requests):
    for reason in ("idle", "disk", "session", "idle", "manual"):
        requests.ask(reason)
    assert serve(requests) == "session"
    assert serve(requests) is None
    assert not requests.waiting


def test_a_request_waits_for_the_interval_and_is_not_lost(requests, clock):
    requests.ask("disk")
    assert serve(requests) == "disk"
    clock.now_s += 10
    requests.ask("idle")
    assert serve(requests) is None
    assert requests.pending() == ["idle"]
    clock.now_s += MIN_INTERVAL_S
    assert serve(requests) == "idle"


@pytest.mark.parametrize("deadline", ["session", "quota", "sigterm", "exit", "manual"])
def test_a_deadline_waits_for_nothing(requests, clock, deadline):
    requests.ask("disk")
    serve(requests)
    clock.now_s += 0.1
    requests.ask(deadline)
    assert serve(requests) == deadline


def test_memory_waits_for_a_minute_only(requests, clock):
    requests.ask("disk")
    serve(requests)
    clock.now_s += 61
    requests.ask("memory")
    assert serve(requests) == "memory"


def test_a_reason_that_goes_on_is_served_once_and_again_after_quiet(requests, clock):
    served = 0
    for _ in range(120):  # an hour, twice a minute
        requests.ask("disk")
        served += serve(requests) == "disk"
        clock.now_s += 30
    assert served == 1
    clock.now_s += QUIET_S
    requests.ask("disk")
    assert serve(requests) == "disk"


def test_a_deadline_asked_at_every_step_is_not_served_at_every_step(requests, clock):
    served = 0
    for _ in range(100):
        requests.ask("session")
        served += serve(requests) is not None
        clock.now_s += 0.5
    assert 1 <= served <= 6


def test_the_period(requests, clock):
    requests.begin_period()
    assert requests.is_idle()
    clock.now_s += 901
    assert not requests.is_idle()
    assert serve(requests) == "period"
    clock.now_s += 899
    assert serve(requests) is None
    clock.now_s += 2
    assert serve(requests) == "period"


def test_no_period_where_none_is_set(clock):
    requests = Requests(clock.monotonic_s, 0.0)
    requests.begin_period()
    clock.now_s += 1e6
    assert requests.is_idle()
    requests.served()
    clock.now_s += 1e6
    assert requests.due() is None


def test_what_failed_is_tried_again_after_a_while(requests, clock):
    requests.ask("session")
    assert requests.due() == "session"
    requests.failed()
    assert requests.due() is None
    clock.now_s += RETRY_S + 1
    assert requests.due() == "session"


def test_a_reason_of_the_app_comes_after_ours(requests):
    requests.ask("validation")
    requests.ask("idle")
    assert requests.due() == "idle"
    assert requests.pending() == ["idle", "validation"]
