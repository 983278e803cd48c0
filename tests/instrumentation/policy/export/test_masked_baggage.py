"""Baggage on its way out."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator, default_setter

from vigilo.policy.export import baggage as policy
from vigilo.policy.export import install
from vigilo.policy.pseudonym import is_pseudonym

MAIL = "jane.roe@example.com"


def sent(entries):
    """The header, and what a receiver reads in it."""
    context = Context()
    for name, value in entries.items():
        context = baggage.set_baggage(name, value, context)
    carrier = {}
    propagate.inject(carrier, context)
    return carrier.get("baggage"), dict(baggage.get_all(propagate.extract(carrier, Context())))


def test_values_that_tell_something_go_out_masked(in_force):
    header, read = sent({"user.email": MAIL, "plan": "free", f"of {MAIL}": "x"})
    assert "jane" not in header
    assert read == {"user.email": "[EMAIL]", "plan": "free", "of [EMAIL]": "x"}


class Jaegers(TextMapPropagator):
    """Sends baggage in headers of its own, as Jaeger's propagator does."""

    def extract(self, carrier, context=None, getter=None):
        return context

    def inject(self, carrier, context=None, setter=default_setter):
        for name, value in baggage.get_all(context).items():
            setter.set(carrier, f"uberctx-{name}", value)

    @property
    def fields(self):
        return set()


def test_other_formats_of_baggage_are_masked_as_well(in_force):
    carrier = {}
    context = baggage.set_baggage("who", MAIL, Context())
    CompositePropagator([Jaegers(), W3CBaggagePropagator()]).inject(carrier, context)
    assert carrier == {"uberctx-who": "[EMAIL]", "baggage": "who=%5BEMAIL%5D"}


PLAIN = {"plan": "free", "user.id": "4711", "trace": "a b;c", "umlaut": "grün", "n": 7}


def test_other_baggage_is_the_same_byte_for_byte(in_force):
    masked = sent(PLAIN)[0]
    install.release("test")
    assert masked == sent(PLAIN)[0]
    install.hold("test")


def test_a_users_id_that_is_an_address_becomes_a_pseudonym(in_force):
    assert is_pseudonym(sent({"user.id": MAIL})[1]["user.id"])


def test_the_context_that_goes_on_is_unchanged(in_force):
    context = baggage.set_baggage("who", MAIL, Context())
    W3CBaggagePropagator().inject({}, context)
    assert baggage.get_baggage("who", context) == MAIL


def test_the_current_context_is_masked_too(in_force):
    from opentelemetry.context import attach, detach

    token = attach(baggage.set_baggage("who", MAIL))
    try:
        carrier = {}
        propagate.inject(carrier)
    finally:
        detach(token)
    assert carrier["baggage"] == "who=%5BEMAIL%5D"


@pytest.mark.parametrize("variable", ["VIGILO_MASK_OTHER_TELEMETRY", "VIGILO_CONTENT"])
def test_it_can_be_left_alone(in_force, set_up, variable):
    set_up(**{variable: "false" if variable.endswith("TELEMETRY") else "full"})
    assert sent({"who": MAIL})[1] == {"who": MAIL}


def test_what_cannot_be_masked_is_not_sent(in_force, monkeypatch):
    class Broken:
        def __str__(self):
            raise RuntimeError

    context = baggage.set_baggage("who", Broken(), baggage.set_baggage("plan", "free", Context()))
    assert baggage.get_all(policy.masked_baggage(context)) == {}
