"""Values that must not leave the process, made at run time: of every type that is masked, and of many kinds of secret.

Also where to look for them: as they are, and in the forms that encoders give them.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import string
import zlib
from urllib.parse import quote, quote_plus

import zstandard

LOWER_HEX, ALNUM = "0123456789abcdef", string.ascii_letters + string.digits
BASE64URL = ALNUM + "_-"


def _check_digit(digits):
    """The last digit of a card number, by Luhn."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return str(-total % 10)


def _iban(country, account):
    """An IBAN with its two check digits (ISO 13616)."""
    moved = "".join(str(int(char, 36)) for char in f"{account}{country}00")
    return f"{country}{98 - int(moved) % 97:02}{account}"


def planted_values(seed):
    """Name of the kind -> value."""
    random_of = random.Random(seed)

    def some(alphabet, count):
        return "".join(random_of.choice(alphabet) for _ in range(count))

    def digits(count):
        return str(random_of.randrange(1, 10)) + some(string.digits, count - 1)

    def card(beginning, length):
        number = beginning + some(string.digits, length - len(beginning) - 1)
        return number + _check_digit(number)

    def hexes():
        return some(LOWER_HEX[1:], 4)

    def name():
        return some(string.ascii_lowercase, 7)

    def base64url(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    visa, amex = card("4", 16), card("37", 15)
    iban = _iban("GB", "WEST" + digits(14))
    token = f"{base64url({'alg': 'HS256', 'typ': 'JWT'})}.{base64url({'sub': name(), 'iat': 1760000000})}"
    key = "\n".join(some(ALNUM + "+/", 64) for _ in range(4))
    return {
        "e-mail": f"{name()}.{name()}@example.com",
        "e-mail with a tag": f"{name()}+{name()}@mail.example.org",
        "e-mail in capitals": f"{name().upper()}@EXAMPLE.COM",
        "e-mail spelled out": f"{name()} (at) example (dot) com",
        "phone, international": f"+1 415-555-{digits(4)}",
        "phone, North America": f"(212) 555-{digits(4)}",
        "phone, Britain": f"+44 20 7946 {digits(4)}",
        "card, Visa": " ".join(visa[place : place + 4] for place in range(0, 16, 4)),
        "card without gaps": card("52", 16),
        "card, American Express": f"{amex[:4]} {amex[4:10]} {amex[10:]}",
        "social security number": f"{random_of.randrange(101, 600)}-{random_of.randrange(11, 99)}-{digits(4)}",
        "IBAN": _iban("DE", digits(18)),
        "IBAN in groups": " ".join(iban[place : place + 4] for place in range(0, len(iban), 4)),
        "IP address": f"{random_of.randrange(60, 90)}.{random_of.randrange(10, 250)}.17.{random_of.randrange(10, 250)}",
        "IP address, version 6": f"2001:db8:{hexes()}:{hexes()}::{hexes()}",
        "OpenAI": f"sk-proj-{some(BASE64URL[:62], 48)}",
        "Anthropic": f"sk-ant-api03-{some(BASE64URL[:62], 80)}AA",
        "Google": f"AIza{some(BASE64URL[:62], 35)}",
        "Hugging Face": f"hf_{some(string.ascii_letters, 34)}",
        "Groq": f"gsk_{some(ALNUM, 52)}",
        "AWS id": f"AKIA{some(string.ascii_uppercase + '234567', 16)}",
        "AWS key": f"aws_secret_access_key = {some(ALNUM, 40)}",
        "GitHub": f"ghp_{some(ALNUM, 36)}",
        "GitLab": f"glpat-{some(ALNUM, 20)}",
        "Slack": f"xoxb-{digits(12)}-{digits(12)}-{some(ALNUM, 24)}",
        "Stripe": f"sk_live_{some(ALNUM, 24)}",
        "SendGrid": f"SG.{some(ALNUM, 22)}.{some(ALNUM, 43)}",
        "npm": f"npm_{some(ALNUM, 36)}",
        "Telegram": f"{digits(10)}:AA{some(ALNUM, 33)}",
        "DigitalOcean": f"dop_v1_{some(LOWER_HEX, 64)}",
        "JSON web token": f"{token}.{some(BASE64URL[:62], 43)}",
        "private key": f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----",
        "password of a URL": f"https://{name()}:{some(ALNUM, 16)}@db.example.com/orders",
        "password of curl": f"curl -u {name()}:{some(ALNUM, 16)} https://example.com/v1",
        "signed URL": f"https://acme.blob.core.windows.net/a/b.pdf?se=2026-12-01&sig={some(ALNUM, 43)}%3D",
        "bearer token": f"Authorization: Bearer {some(ALNUM, 40)}",
    }


def telling(value):
    """The part of a value that must not be found: what stands around a password may."""
    for around in (
        r"aws_secret_access_key = (.*)",
        r"https://\w+:(\w+)@.*",
        r"curl -u \w+:(\w+) .*",
        r".*&sig=(\w+)%3D",
        r"Authorization: Bearer (.*)",
    ):
        if found := re.fullmatch(around, value):
            return found[1]
    if "PRIVATE KEY" in value:
        return value.splitlines()[2]
    if " (at) " in value:
        return value.partition(" (at) ")[0]
    return value


def fragments(value):
    """The bytes by which a value is known, however it was written."""
    told = telling(value)
    forms = {told, json.dumps(told)[1:-1], quote(told), quote(told, safe=""), quote_plus(told)}
    forms |= {json.dumps(form)[1:-1] for form in list(forms)}  # JSON in JSON
    if "@" in told:
        forms.add(told.partition("@")[0])
    if sum(map(str.isdigit, told)) >= 12 and not re.search("[a-z]", told):
        forms.add(re.sub(r"[^0-9A-Z]", "", told))  # a card or an account, without its gaps
    found = {form.encode() for form in forms}
    raw = told.encode()
    for shift in range(3):  # in the midst of something in base64 it begins at any of three places
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inner = encode(b"\0" * shift + raw).rstrip(b"=")
            first = -(-shift * 8 // 6)
            found.add(inner[first : len(inner) - 1])
    return {fragment for fragment in found if len(fragment) >= 6}


def leaks(values, data):
    """The kinds of value that are found in the bytes, or in what they hold compressed."""
    plain = b"\n".join((data, *_unpacked(data)))
    return {kind for kind, value in values.items() if any(fragment in plain for fragment in fragments(value))}


def _unpacked(data):
    for magic, unpack in ((b"\x28\xb5\x2f\xfd", _zstd), (b"\x1f\x8b\x08", _gzip)):
        if data.startswith(magic):
            yield unpack(data)


def _zstd(data):
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


def _gzip(data):
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""
