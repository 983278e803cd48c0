"""Social security numbers are told by their dashes, or by words."""

from __future__ import annotations

import pytest

from vigilo.policy.mask import mask, mask_json


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("SSN: 536-90-4399.", "SSN: [SSN]."),
        ("536-90-4399", "[SSN]"),
        ("536\u201390\u20134399", "[SSN]"),
        ("my social security number is 536 90 4399", "my social security number is [SSN]"),
        ("social security 536904399", "social security [SSN]"),
        ("536904399 is my SSN", "[SSN] is my SSN"),
        ("soc. sec. 536.90.4399", "soc. sec. [SSN]"),
        ('{"ssn":"536904399"}', '{"ssn":"[SSN]"}'),
        ('{"text":"line1\\t536-90-4399"}', '{"text":"line1\\t[SSN]"}'),
        ("ssn 536-90-4399/078-05-1120", "ssn [SSN]/[SSN]"),
    ],
)
def test_a_social_security_number_is_masked(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "part 000-12-3456 and 666-12-3456 and 900-12-3456 and 123-00-4567 and 123-45-0000",
        "case 536904399 open",
        "case 536 90 4399 open",
        "12-536-90-4399",
        "536-90-4399-1",
        "1536-90-4399",
        "536-90-43991",
        "social media 2020: 536 90 4399",
    ],
)
def test_what_is_no_social_security_number_stays(text):
    assert mask(text) == text


def test_the_key_of_a_value_tells_what_it_is():
    value = {"ssn": "536904399", "case": "536904399", "social_security": 536904399}
    assert mask_json(value, 100) == {"ssn": "[SSN]", "case": "536904399", "social_security": "[SSN]"}
