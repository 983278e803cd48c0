"""IBANs are told by their country's structure and their check digits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo.policy.mask import mask
from vigilo.policy.mask.ibans import _STRUCTURES, has_check_digits

from .generated import IBANS

EXAMPLES = [
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
]
"""Those that the registry itself gives as examples."""


@pytest.mark.parametrize("iban", EXAMPLES)
def test_an_iban_is_masked_in_one_and_in_groups_and_in_small_letters(iban):
    groups = [iban[start : start + 4] for start in range(0, len(iban), 4)]
    assert mask(f"IBAN {iban}, danke") == "IBAN [IBAN], danke"
    assert mask(f'{{"iban":"{iban}"}}') == '{"iban":"[IBAN]"}'
    assert mask(f"an {' '.join(groups)} und danke") == "an [IBAN] und danke"
    assert mask(f"an {'-'.join(groups)}.") == "an [IBAN]."
    assert mask("\u00a0".join(groups)) == "[IBAN]"
    assert mask(f"iban: {iban.lower()}") == "iban: [IBAN]"
    assert mask(f"账号{iban}谢谢") == "账号[IBAN]谢谢"


@pytest.mark.parametrize(
    "text",
    [
        "ref DE00370400440532013000",  # wrong check digits
        "ref DE89370400440532013001",
        "ref DE8937040044053201300",  # too short
        "ref DE893704004405320130001",  # too long
        "ref XDE89370400440532013000",  # within a word
        "ref QQ89370400440532013000",  # no such country
        "SKU AB12CDEF3456GHIJ7890",
        "it is at 12 o'clock in de12 or no10 downing street",
        "GB12 is a model, DE89 3704 is another",
    ],
)
def test_what_is_no_iban_stays(text):
    assert mask(text) == text


@given(IBANS)
def test_check_digits_are_right_for_one_number_in_97(iban):
    assert has_check_digits(iban)
    wrong = iban[:2] + f"{(int(iban[2:4]) + 1) % 100:02}" + iban[4:]
    assert not has_check_digits(wrong)


@given(st.lists(IBANS, min_size=1, max_size=6))
def test_each_iban_of_a_list_is_masked(ibans):
    assert mask("; ".join(ibans)) == "; ".join(["[IBAN]"] * len(ibans))


def test_the_registry_is_whole():
    assert len(_STRUCTURES) == 89
    assert all(len(country) == 2 and country.isupper() for country in _STRUCTURES)
