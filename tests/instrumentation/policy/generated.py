"""Strategies for values of each type that is masked. Nothing of them is real, and all are made anew in each run."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from vigilo.policy.mask.cards import has_check_digit

_ALNUM = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase


def _digits(count):
    return st.text("0123456789", min_size=count, max_size=count)


_LOCAL = st.from_regex(r"[a-z][a-z0-9]{0,11}(\.[a-z0-9]{1,8})?", fullmatch=True)
_DOMAIN = st.from_regex(r"[a-z][a-z0-9-]{0,9}[a-z0-9](\.[a-z]{2,5}){1,2}", fullmatch=True)
EMAILS = st.builds("{}@{}".format, _LOCAL, _DOMAIN)


@st.composite
def _cards(draw):
    """A number with a right check digit, in one of the ways of writing it."""
    head, length = draw(st.sampled_from([("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("35", 16)]))
    digits = head + draw(_digits(length - 1 - len(head)))
    digits += next(last for last in "0123456789" if has_check_digit(digits + last))
    separator = draw(st.sampled_from(["", " ", "-"]))
    cuts = (4, 10) if length == 15 else (4, 8, 12)
    return separator.join(digits[a:b] for a, b in zip((0, *cuts), (*cuts, length), strict=True))


CARDS = _cards()
PHONES = st.builds(
    lambda area, exchange, line, shape: shape.format(area, exchange, line),
    st.integers(200, 999),
    st.integers(200, 999),
    st.integers(1000, 9999),
    st.sampled_from(["({}) {}-{}", "{}-{}-{}", "+1 {} {} {}", "+1{}{}{}", "{}.{}.{}"]),
)
SOCIAL_SECURITY_NUMBERS = st.builds(
    "{:03}-{:02}-{:04}".format,
    st.integers(1, 899).filter(lambda area: area != 666),
    st.integers(1, 99),
    st.integers(1, 9999),
)


@st.composite
def _ibans(draw):
    country, account = draw(
        st.one_of(
            st.tuples(st.sampled_from(["AT", "BE", "CZ", "DE", "DK", "ES", "FI", "PL", "PT", "SE"]), st.just("")),
            st.tuples(st.just("GB"), st.text(_UPPER, min_size=4, max_size=4)),
            st.tuples(st.just("NL"), st.text(_UPPER, min_size=4, max_size=4)),
        )
    )
    size = {"AT": 16, "BE": 12, "CZ": 20, "DE": 18, "DK": 14, "ES": 20, "FI": 14, "PL": 24, "PT": 21, "SE": 20}
    account += draw(_digits(size.get(country, 14 if country == "GB" else 10)))
    check = 98 - int("".join(str(int(char, 36)) for char in f"{account}{country}00")) % 97
    iban = f"{country}{check:02}{account}"
    if draw(st.booleans()):
        return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))
    return iban.lower() if draw(st.booleans()) else iban


IBANS = _ibans()
IPV4_ADDRESSES = st.ip_addresses(v=4).filter(lambda ip: not (ip.is_loopback or ip.is_unspecified)).map(str)
IPV6_ADDRESSES = st.one_of(
    st.ip_addresses(v=6, network="2001:db8::/32"),
    st.ip_addresses(v=6, network="2a00::/12"),
    st.ip_addresses(v=6, network="fe80::/10"),
).map(str)
SECRETS = st.builds(
    lambda head, rest: head + rest,
    # In pieces, so that no scanner takes this file for one with keys in it.
    st.sampled_from(["sk-" + "proj-", "gh" + "p_", "AI" + "za", "xo" + "xb-", "gs" + "k_"]),
    st.text(_ALNUM, min_size=48, max_size=48).filter(
        lambda rest: len(set(rest)) > 20 and any(map(str.isdigit, rest)) and any(map(str.isupper, rest))
    ),
)
PERSONAL = st.one_of(EMAILS, CARDS, PHONES, SOCIAL_SECURITY_NUMBERS, IBANS, IPV4_ADDRESSES, IPV6_ADDRESSES)
VALUES = st.one_of(PERSONAL, SECRETS)
