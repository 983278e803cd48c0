"""Which secrets are masked, and what that looks like one is not. Each secret is drawn at random when it is used."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from itertools import pairwise

import pytest

from vigilo.policy.mask import mask, mask_clip, mask_json
from vigilo.policy.mask.messages import mask_messages
from vigilo.policy.mask.secret_rules import PREFIXES
from vigilo.policy.mask.secret_values import is_placeholder, looks_random
from vigilo.policy.mask.secrets import HINTS, LONG_RUN, find_secrets

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
URL_SAFE = ALNUM + "-_"
DRAWS = 3


def drawn(seed, length, chars=ALNUM):
    return "".join(random.Random(f"{seed} {length}").choices(chars, k=length))


def uuid(seed):
    return "-".join(drawn(f"{seed}{part}", length, HEX) for part, length in enumerate((8, 4, 4, 4, 12)))


def json64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(seed):
    return ".".join((json64({"alg": "HS256"}), json64({"sub": drawn(seed, 8)}), drawn(seed, 43, URL_SAFE)))


# The pieces are joined when the test runs, so that no scanner takes this file for a leak.
KEYS = {
    "OpenAI": lambda s: "sk-" + drawn(s, 20) + "T3Blbk" + "FJ" + drawn(s + "b", 20),
    "OpenAI project": lambda s: "sk-" + "proj-" + drawn(s, 74, URL_SAFE) + "T3Blbk" + "FJ" + drawn(s + "b", 74),
    "Anthropic": lambda s: "sk-" + "ant-api03-" + drawn(s, 93, URL_SAFE) + "AA",
    "Anthropic admin": lambda s: "sk-" + "ant-admin01-" + drawn(s, 93, URL_SAFE) + "AA",
    "OpenRouter": lambda s: "sk-" + "or-v1-" + drawn(s, 64, HEX),
    "Langfuse": lambda s: "sk-" + "lf-" + uuid(s),
    "LangSmith": lambda s: "lsv2_" + "pt_" + drawn(s, 32, HEX) + "_" + drawn(s + "b", 10, HEX),
    "Groq": lambda s: "gsk_" + drawn(s, 52),
    "xAI": lambda s: "xai-" + drawn(s, 80),
    "Hugging Face": lambda s: "hf_" + drawn(s, 34, string.ascii_letters),
    "Replicate": lambda s: "r8_" + drawn(s, 37),
    "Pinecone": lambda s: "pcsk_" + drawn(s, 6) + "_" + drawn(s, 63),
    "Perplexity": lambda s: "pplx-" + drawn(s, 48),
    "Gemini": lambda s: "AI" + "za" + drawn(s, 35, URL_SAFE),
    "AWS": lambda s: "AK" + "IA" + drawn(s, 16, string.ascii_uppercase + "234567"),
    "Azure AD": lambda s: drawn(s, 3) + "8Q" + "~" + drawn(s, 34),
    "Google OAuth": lambda s: "GOC" + "SPX-" + drawn(s, 28),
    "GitHub": lambda s: "gh" + "p_" + drawn(s, 36),
    "GitHub fine-grained": lambda s: "github_" + "pat_" + drawn(s, 22) + "_" + drawn(s, 59),
    "GitLab": lambda s: "gl" + "pat-" + drawn(s, 20, URL_SAFE),
    "Atlassian": lambda s: "ATA" + "TT3" + drawn(s, 180),
    "Sourcegraph": lambda s: "sgp_" + drawn(s, 40, HEX),
    "Slack": lambda s: "xo" + "xb-" + drawn(s, 12, string.digits) + "-" + drawn(s, 24),
    "Discord": lambda s: "M" + drawn(s, 23) + "." + drawn(s, 6) + "." + drawn(s, 27, URL_SAFE),
    "Telegram": lambda s: drawn(s, 10, "123456789") + ":AA" + drawn(s, 33, URL_SAFE),
    "Twilio": lambda s: "S" + "K" + drawn(s, 32, HEX),
    "SendGrid": lambda s: "S" + "G." + drawn(s, 22, URL_SAFE) + "." + drawn(s, 43, URL_SAFE),
    "Mailchimp": lambda s: drawn(s, 32, HEX) + "-us21",
    "Stripe": lambda s: "sk_" + "live_" + drawn(s, 24),
    "Square": lambda s: "sq0" + "atp-" + drawn(s, 22, URL_SAFE),
    "Braintree": lambda s: "access_token" + "$production$" + drawn(s, 16, LOWER) + "$" + drawn(s, 32, HEX),
    "Shopify": lambda s: "shp" + "at_" + drawn(s, 32, HEX),
    "npm": lambda s: "npm_" + drawn(s, 36),
    "PyPI": lambda s: "pypi-" + "AgEIcHlwaS5vcmc" + drawn(s, 80, URL_SAFE),
    "DigitalOcean": lambda s: "dop_" + "v1_" + drawn(s, 64, HEX),
    "Vault": lambda s: "hv" + "s." + drawn(s, 90, URL_SAFE),
    "Terraform": lambda s: drawn(s, 14) + ".atlas" + "v1." + drawn(s, 67, URL_SAFE),
    "Doppler": lambda s: "dp" + ".pt." + drawn(s, 43),
    "Databricks": lambda s: "da" + "pi" + drawn(s, 32, HEX),
    "Grafana": lambda s: "gl" + "sa_" + drawn(s, 32) + "_" + drawn(s, 8, HEX),
    "Dynatrace": lambda s: "dt0" + "c01." + drawn(s, 24, LOWER.upper()) + "." + drawn(s, 64, LOWER.upper()),
    "New Relic": lambda s: "NR" + "AK-" + drawn(s, 27, LOWER.upper()),
    "Linear": lambda s: "lin_" + "api_" + drawn(s, 40),
    "Notion": lambda s: "ntn_" + drawn(s, 46),
    "age": lambda s: "AGE-SECRET-" + "KEY-1" + drawn(s, 58, LOWER.upper()),
    "JWT": jwt,
    "bcrypt": lambda s: "$2b" + "$12$" + drawn(s, 53, ALNUM + "./"),
    "a provider that nobody has listed": lambda s: "acme_" + "secret_" + drawn(s, 32),
    "AWS secret, bare": lambda s: drawn(s, 40, ALNUM),
}
PLACES = (
    "My key is {s} ok?",
    "Use {s}",
    'config: {{"k":"{s}"}}',
    "Here:\n```\nKEY={s}\n```\nthanks",
    "({s}), and then call the API.",
    'client = Client("{s}")',
    "https://api.example.com/v1?x={s}&y=2",
    '{{"arguments":"{{\\"note\\":\\"{s}\\"}}"}}',
    "a%20{s}%20b",
)


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_masked_wherever_it_stands(kind):
    for seed in range(DRAWS):
        for number, place in enumerate(PLACES):
            key = KEYS[kind](f"{kind} {seed} {number}")
            shown = mask(place.format(s=key))
            assert "[SECRET]" in shown, (place, shown)
            assert key not in shown
            assert key[-8:] not in shown
            assert mask(shown) == shown


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_finds_a_random_key_and_leaves_words(prefix):
    for seed in range(DRAWS):
        key = prefix + drawn(f"{prefix} {seed}", PREFIXES[prefix] + 8)
        assert mask(f"so {key} it is") == "so [SECRET] it is"
    if prefix.endswith("eyJ"):
        return  # base64 of JSON is masked whatever is in it
    words = prefix + "of-the-many-words-that-nobody-would-take-for-it"
    assert words in mask(f"so {words} it is")


KNOWN_WHOLE = {
    "AWS",
    "Azure AD",
    "Telegram",
    "Twilio",
    "Mailchimp",
    "Braintree",
    "AWS secret, bare",
    "Discord",
    "bcrypt",
}


@pytest.mark.parametrize("kind", sorted(set(KEYS) - KNOWN_WHOLE - {"Langfuse"}))
def test_a_key_that_is_cut_off_is_masked_as_long_as_half_of_it_is_there(kind):
    for seed in range(DRAWS):
        key = KEYS[kind](f"{kind} cut {seed}")
        half = key[: max(28, len(key) // 2)]
        assert half[-8:] not in mask(f"it began with {half}")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('export DATABASE_PASSWORD="{s}"', 'export DATABASE_PASSWORD="[SECRET]"'),
        ("password: {s}", "password: [SECRET]"),
        ("db.password = '{s}'", "db.password = '[SECRET]'"),
        ("my password is {s} please reset it", "my password is [SECRET] please reset it"),
        ("mysql --password {s} -h db", "mysql --password [SECRET] -h db"),
        ("Server=a;Uid=b;Pwd={s};Database=c", "Server=a;Uid=b;Pwd=[SECRET];Database=c"),
        ("<password>{s}</password>", "<password>[SECRET]</password>"),
        ('<add key="DbPassword" value="{s}" />', '<add key="DbPassword" value="[SECRET]" />'),
        ("- name: DB_PASSWORD\n  value: {s}", "- name: DB_PASSWORD\n  value: [SECRET]"),
        ("machine h login u password {s}", "machine h login u password [SECRET]"),
        ("postgres://app:{s}@db.internal:5432/prod", "postgres://app:[SECRET]@db.internal:5432/prod"),
        ("curl -u admin:{s} https://x.org", "curl -u admin:[SECRET] https://x.org"),
        ("sshpass -p {s} ssh host", "sshpass -p [SECRET] ssh host"),
        ("CREATE USER a IDENTIFIED BY '{s}'", "CREATE USER a IDENTIFIED BY '[SECRET]'"),
        ('{{"a":"{{\\"password\\":\\"{s}\\"}}"}}', '{{"a":"{{\\"password\\":\\"[SECRET]\\"}}"}}'),
        ("&quot;password&quot;: &quot;{s}&quot;", "&quot;password&quot;: &quot;[SECRET]&quot;"),
        ("contraseña: {s}", "contraseña: [SECRET]"),
        ("密码\uff1a{s}", "密码\uff1a[SECRET]"),
    ],
)
def test_of_a_password_only_the_value_goes(text, masked):
    for seed in range(DRAWS):
        password = "Hx" + drawn(f"{text} {seed}", 8) + "7q"
        assert mask(text.format(s=password)) == masked.format()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("api_key = {s}", "api_key = [SECRET]"),
        ("aws_secret_access_key = {s}", "aws_secret_access_key = [SECRET]"),
        ('{{"api_key": "{s}", "n": 3}}', '{{"api_key": "[SECRET]", "n": 3}}'),
        ("azure_openai_api_key: {s}", "azure_openai_api_key: [SECRET]"),
        ("-H 'x-api-key: {s}'", "-H 'x-api-key: [SECRET]'"),
        ("Authorization: Bearer {s}", "Authorization: Bearer [SECRET]"),
        ('"Authorization": "token {s}"', '"Authorization": "token [SECRET]"'),
        ("Cookie: sid={s}; theme=dark", "Cookie: sid=[SECRET]; theme=dark"),
        ("GET /v1?access_token={s}&page=2", "GET /v1?access_token=[SECRET]&page=2"),
        ("/a.png?X-Amz-Signature={s}&x=1", "/a.png?X-Amz-Signature=[SECRET]&x=1"),
        ("/c/b?sv=2022-11-02&sig={s}&se=2026", "/c/b?sv=2022-11-02&sig=[SECRET]&se=2026"),
        ("AccountName=foo;AccountKey={s};Suffix=x", "AccountName=foo;AccountKey=[SECRET];Suffix=x"),
        ('adafruit_key = "{s}"', 'adafruit_key = "[SECRET]"'),
        ('adafruit_io = "{s}"', 'adafruit_io = "[SECRET]"'),
        ("const token: string = '{s}';", "const token: string = '[SECRET]';"),
        ('auths: {{"r.io": {{"auth": "{s}"}}}}', 'auths: {{"r.io": {{"auth": "[SECRET]"}}}}'),
    ],
)
def test_of_a_key_only_the_value_goes(text, masked):
    for seed in range(DRAWS):
        key = drawn(f"{text} {seed}", 36)
        assert mask(text.format(s=key)) == masked.format()


def test_basic_authorization_is_masked():
    for seed in range(DRAWS):
        value = base64.b64encode(f"svc:{drawn(f'basic {seed}', 9)}".encode()).decode()
        assert mask(f"Authorization: Basic {value}") == "Authorization: Basic [SECRET]"


@pytest.mark.parametrize("ending", ["\n-----END RSA " + "PRIVATE KEY-----", "", "\n"])
def test_a_private_key_is_masked_whole_or_cut_off(ending):
    body = "\n".join(drawn(f"line {line}", 64, ALNUM + "+/") for line in range(12))
    text = f"-----BEGIN RSA {'PRIVATE KEY'}-----\n{body}{ending}"
    assert mask(f"here {text}") == "here [SECRET]"
    assert mask(json.dumps({"key": text})) == '{"key": "[SECRET]"}'


def test_a_private_key_in_base64_is_masked():
    pem = f"-----BEGIN {'PRIVATE KEY'}-----\n{drawn('pem', 200)}\n-----END {'PRIVATE KEY'}-----"
    assert mask("data: " + base64.b64encode(pem.encode()).decode()[:300]) == "data: [SECRET]"


@pytest.mark.parametrize(
    "text",
    [
        "Set your api_key parameter; the token: string field; password: must have 8 characters",
        'api_key = os.environ["OPENAI_API_KEY"]\ntoken = get_token()\npassword = None',
        'api_key="YOUR_API_KEY" or sk-... or <your-token> or ${API_KEY} or {{token}}',
        "the sk-learn and sk-image packages, task-management, risk-free-rate-of-return-analysis-2024",
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 by the author",
        "request id req_011CSkzx3fJ8bQmVn7tWp2Ld, chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "msg_01XFDUDYJgAACzvnptvVoYEL called toolu_01A09q90qw90lq917835lq9 and call_9xTq2LmVb7Zr4KpWc8NdHs3Y",
        '{"prompt_tokens": 1234567890, "max_tokens": 4096, "token": 12}',
        "id 550e8400-e29b-41d4-a716-446655440000, key: 550e8400-e29b-41d4-a716-446655440000",
        "pod/web-7d4b9c6f5d-x2x9z 10m cpu",
        "image ghcr.io/org/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "the primary key is user_id, the foreign key is order_id, press any key to continue",
        "password_hash = hash_password(password); self.password = password",
        "Bearer authentication and Basic authentication; pass the token to the next function",
        "docker run -u 1000:1000 app; mkdir -p a/b",
        "https://user:${PASSWORD}@example.com and https://example.com/a@b:c",
        "def f(token: str, key: bytes = b'') -> None: ...",
        "https://example.com/docs/page?sort_key=name&page_token=abc",
        "arn:aws:iam::123456789012:role/x",
        "password.encode('latin1'), key.lower(), token.strip()",
        "The secret to success is hard work, and the key to it is patience.",
        "from .beta_server_tool_caller_20260120 import BetaServerToolCaller",
        "grant_type=urn:ietf:params:oauth:token-type:jwt",
    ],
)
def test_what_is_no_secret_stays(text):
    assert mask(text) == text


def base64_of(seed, length):
    return base64.b64encode(random.Random(f"{seed} {length}").randbytes(length)).decode()


BASE_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
IDS = {
    "integrity, npm": lambda s: f'"integrity": "sha512-{base64_of(s, 64)}",',
    "integrity, yarn": lambda s: f"  integrity sha512-{base64_of(s, 64)}",
    "integrity, bare": lambda s: f"got sha256-{base64_of(s, 32)} here",
    "integrity, HTML": lambda s: (
        f'<script src="https://cdn.a.org/x.js" integrity="sha384-{base64_of(s, 48)}" crossorigin="">'
    ),
    "integrity behind a provider": lambda s: f'cdnjs.cloudflare.com/x.js" integrity="sha512-{base64_of(s, 64)}"',
    "digest": lambda s: f"sha512:{base64_of(s, 64)} and sha256:{base64_of(s, 32)}",
    "digest, header": lambda s: f"Repr-Digest: sha-512=:{base64_of(s, 64)}:",
    "go.sum": lambda s: f"github.com/a/b v1.8.4 h1:{base64_of(s, 32)}",
    "UUID": uuid,
    "UUID that begins as keys do": lambda s: "4b1d" + uuid(s)[4:] + " EAA" + uuid(s).upper()[3:],
    "UUID behind a provider": lambda s: f"slack channel: {uuid(s)}, twilio {uuid(s)}, datadog={uuid(s)}",
    "UUID of a customer": lambda s: f'{{"stripe_customer": "{uuid(s)}", "key": "{uuid(s)}"}}',
    "Gemini": lambda s: f'{{"modelVersion": "gemini-2.5-flash", "responseId": "{drawn(s, 23, URL_SAFE)}"}}',
    "id in camel case": lambda s: f"{{'userId': '{drawn(s, 28)}', 'fileIDs': ['{drawn(s, 26)}']}}",
    "id in snake case": lambda s: f'run_id = "{drawn(s, 28)}", session_id: {drawn(s, 43, URL_SAFE)}',
    "id": lambda s: f'"id": "{drawn(s, 28)}"',
    "traceparent": lambda s: f"traceparent: 00-{drawn(s, 32, HEX)}-{drawn(s, 16, HEX)}-01",
    "traceparent behind a provider": lambda s: f"datadog: 00-{drawn(s, 32, HEX)}-{drawn(s, 16, HEX)}-00",
    "IPFS": lambda s: f'ipfs://Qm{drawn(s, 44, BASE_58)} "image": "Qm{drawn(s + "b", 44, BASE_58)}"',
    "Ethereum": lambda s: f'"contract": "0x{drawn(s, 40, HEX)}", to 0x{drawn(s, 40, HEX)}',
    "Bitcoin": lambda s: f"pay bc1q{drawn(s, 38, LOWER)} or address: bc1p{drawn(s, 58, LOWER)}",
    "KSUID": lambda s: f"event 2{drawn(s, 26)}",
    "ULID": lambda s: f"job: 01H{drawn(s, 23, '0123456789ABCDEFGHJKMNPQRSTVWXYZ')}",
    "Stripe": lambda s: f"cus_{drawn(s, 14)} pi_{drawn(s, 24)} cs_test_{drawn(s, 58)}",
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_hashes_and_addresses_stay(kind):
    for seed in range(20):
        text = IDS[kind](f"{kind} {seed}")
        assert "[SECRET]" not in mask(text), text


def test_an_id_by_name_is_masked_if_the_name_says_that_it_is_secret():
    for name in ("client_secret", "api_key", "heroku_api_key", "slack_token_secret"):
        assert mask(f"{name} = '{uuid(name)}'") == f"{name} = '[SECRET]'"


def test_a_value_is_masked_by_the_key_it_has_in_json():
    secret, password = drawn("json", 40), "correct horse x9!k"
    messages = [
        {"role": "tool", "parts": [{"type": "text", "content": json.dumps({"api_key": secret, "password": password})}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "arguments": {"clientSecret": secret, "n": [1, secret]}}],
        },
    ]
    shown = json.dumps(mask_messages(messages, content="masked", max_chars=1000))
    assert secret not in shown
    assert "correct horse" not in shown
    assert json.loads(shown)[1]["parts"][0]["arguments"]["clientSecret"] == "[SECRET]"


@pytest.mark.parametrize("kind", ["OpenAI project", "Anthropic", "GitHub", "JWT", "Slack", "Vault"])
def test_no_part_of_a_key_shows_at_the_edge(kind):
    for at in range(900, 1010, 7):
        key = KEYS[kind](f"edge {at}")
        shown = mask_clip("word " * (at // 5) + f"key={key} and more " + "word " * 200, 1000)
        assert not any(key[i : i + 8] in shown for i in range(len(key) - 8))


def test_neighbours_are_masked_each():
    keys = [KEYS[kind](f"neighbour {kind}") for kind in ("OpenAI", "GitHub", "Stripe", "npm")]
    for separator in (" ", ",", "\n", ";", '","', "|", " / "):
        shown = mask(separator.join(keys))
        assert shown == separator.join(["[SECRET]"] * len(keys))


def test_spans_are_in_order_and_apart():
    pieces = [place.format(s=make(f"order {kind}")) for kind, make in KEYS.items() for place in PLACES[:4]]
    spans = list(find_secrets("\n".join(pieces)))
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert len(spans) >= len(pieces)


def test_a_text_with_a_secret_has_a_hint():
    run = re.compile(LONG_RUN)
    for kind, make in KEYS.items():
        for number, place in enumerate(PLACES[:2]):
            text = place.format(s=make(f"hint {kind} {number}"))
            assert run.search(text) or any(hint in text.lower() for hint in HINTS), text


@pytest.mark.parametrize(
    "value", ["your-token", "<token>", "${TOKEN}", "{{ token }}", "xxxxxxxxxxxx", "changeme", "os.environ['X']", "null"]
)
def test_a_placeholder_is_told(value):
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    ["max_completion_tokens_per_call", "getUserByEmailAddress2", "risk-free-rate-of-return-2024", "base64Encoded"],
)
def test_names_do_not_look_random(value):
    assert not looks_random(value, 12)


@pytest.mark.parametrize("chars", [ALNUM, HEX, LOWER, URL_SAFE, LOWER.upper(), string.ascii_letters])
def test_what_is_drawn_looks_random(chars):
    assert sum(looks_random(drawn(f"random {seed}", 32, chars), 12) for seed in range(200)) >= 196


@pytest.mark.parametrize("key", ["documentId", "thread_id", "id"])
@pytest.mark.parametrize("seed", range(5))
def test_a_random_value_in_json_is_read_with_its_key(key, seed):
    value = drawn(f"value {seed}", 28)
    assert mask_json({"arguments": {key: value}}, 1000) == {"arguments": {key: value}}
    assert mask_json({"arguments": {f"{key}_token": value}}, 1000) == {"arguments": {f"{key}_token": "[SECRET]"}}


@pytest.mark.parametrize(
    "unit",
    [
        "sk-",
        "key=",
        "password",
        "token: ",
        '"key":"',
        "://a:",
        "a:b@",
        "eyJ",
        "-u a:",
        "Bearer ",
        "x_",
        "A1-",
        "secret=\\",
    ],
)
def test_long_repetitions_are_read_in_bounded_time(unit):
    """Work that grows with the square of the text would take hours here."""
    text = unit * (50_000 // len(unit))
    assert all(0 <= span.start < span.end <= len(text) for span in find_secrets(text))
