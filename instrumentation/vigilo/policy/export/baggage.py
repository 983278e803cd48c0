"""Masks baggage on its way into a request: it goes to whoever is called, providers of models among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.baggage import clear, get_all, remove_baggage, set_baggage

from vigilo import semconv
from vigilo.errors import report_internal
from vigilo.policy.export.masker import others_masker
from vigilo.policy.export.rules import PERSONS

if TYPE_CHECKING:
    from opentelemetry.context import Context


def masked_baggage(context: Context | None) -> Context | None:
    """The context to inject: the same where its baggage holds nothing to mask, else one with those entries masked.

    Other services act on baggage, so a user's id that says nothing by itself stays; one that is an e-mail address
    becomes the same pseudonym as in telemetry. Where masking fails, nothing is sent.
    """
    try:
        masker = others_masker()
        if not masker.masks:
            return context
        shown = context
        for name, value in get_all(context).items():
            text = str(value)
            masked = masker.text(text, semconv.SESSION_ID if name in PERSONS else str(name))
            masked_name = masker.text(str(name), "name")
            if masked_name != name:
                shown = remove_baggage(name, shown)
            if masked != text or masked_name != name:
                shown = set_baggage(masked_name, masked, shown)
        return shown
    except Exception as error:  # noqa: BLE001 - fails closed
        report_internal("masking baggage", error)
        return clear(context)
