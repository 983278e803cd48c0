"""IP addresses are masked, versions and code are not."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given

from vigilo.policy.mask import mask, mask_json
from vigilo.policy.mask.ip_addresses import find_ipv4_addresses, find_ipv6_addresses

from .generated import IPV4_ADDRESSES, IPV6_ADDRESSES


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("from 203.0.113.45 port 22", "from [IP] port 22"),
        ("http://198.51.100.7:8080/x", "http://[IP]:8080/x"),
        ("10.0.0.0/8, 10.0.0.1-10.0.0.9.", "[IP]/8, [IP]-[IP]."),
        ("client_ip=192.0.2.1;", "client_ip=[IP];"),
        ("connected to db/192.0.2.1:5432", "connected to db/[IP]:5432"),
        ("root@192.0.2.1", "root@[IP]"),
        ("地址192.0.2.1被封", "地址[IP]被封"),
        ("\uff11\uff19\uff12.0.2.1", "[IP]"),
        ("line\\n192.0.2.1", "line\\n[IP]"),
        ("addr 2001:db8:85a3::8a2e:370:7334 up", "addr [IP] up"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[IP]"),
        ("http://[2001:db8::1]:443/", "http://[[IP]]:443/"),
        ("connect from unknown[2001:db8::1]", "connect from unknown[[IP]]"),
        ("2001:db8::1: timed out.", "[IP]: timed out."),
        ("FE80::1%eth0, fd12:3456:789a::/48", "[IP], [IP]/48"),
        ("::ffff:192.0.2.128 and 64:ff9b::192.0.2.33", "[IP] and [IP]"),
        ("::FFFF:c000:0280", "[IP]"),
    ],
)
def test_an_address_is_masked(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Chrome/120.0.6099.129",
        "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36",
        "version 1.2.3.4, v1.2.3.4, Version: 10.0.0.1",
        '{"version":"1.2.3.4"}',
        "lib-1.2.3.4.tar.gz lib_1.2.3.4_amd64.deb lib==1.2.3.4 lib>=1.2.3.4 ~1.2.3.4",
        "see section 1.2.3.4 and § 4.3.2.1",
        "999.1.1.1 and 1.2.3 and 1.2.3.4.5 and 1.3.6.1.4.1.311",
        "01.02.03.04",
        "listen on 127.0.0.1:8000, 127.8.8.8, 0.0.0.0, ::1, [::1]:80 and ::",
        "::ffff:127.0.0.1",
        "std::vector<int>::iterator a::b::c dead::beef Face::add 1::2",
        "x[::2], y[1:10:2], a[::-1], b[2001::3], c[1::2]",
        "at 12:30 / 12:30:45 / 1:2:3 / 2024-01-15T12:30:45.123456+02:00",
        "aa:bb:cc:dd:ee:ff and 00:11:22:33:44:55:66:77",
        "SHA256 12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0",
        "ratio 1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:9",
        "2001:db8::aa.1.2.3",
    ],
)
def test_what_is_no_address_of_anybody_stays(text):
    assert mask(text) == text


def test_the_key_of_a_value_may_say_that_it_is_a_version():
    value = {"version": "1.2.3.4", "host": "1.2.3.4"}
    assert mask_json(value, 100) == {"version": "1.2.3.4", "host": "[IP]"}


@given(IPV4_ADDRESSES)
def test_any_address_of_version_4_is_found(address):
    (span,) = find_ipv4_addresses(f"at {address}.")
    assert (span.start, span.end) == (3, 3 + len(address))


@given(IPV6_ADDRESSES)
def test_any_address_of_version_6_is_found_however_it_is_written(address):
    for written in (address, ipaddress.ip_address(address).exploded, address.upper()):
        (span,) = find_ipv6_addresses(f"at {written}, or")
        assert (span.start, span.end) == (3, 3 + len(written))
