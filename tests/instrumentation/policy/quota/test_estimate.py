import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigilo import semconv
from vigilo.capture.call import Request, Usage
from vigilo.policy import live_prices
from vigilo.policy.quota import estimate as estimates
from vigilo.policy.quota.estimate import (
    DEFAULT_OUTPUT,
    MAX_CHARS,
    MAX_CHARS_OF_A_TEXT,
    OF_MEDIA,
    Outputs,
    estimate,
    input_tokens,
    output_tokens,
    text_tokens,
    written_tokens,
)


@pytest.fixture(autouse=True)
def _nothing_learned():
    live_prices.live.wait(None)
    estimates.forget()
    yield
    estimates.forget()


def asked(*texts: str, model="gpt-4o", operation="chat", provider="openai", **parameters) -> Request:
    messages = tuple({"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts)
    return Request(operation, provider, model, parameters, input=messages)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("one two three", 13 / 4),
        ("a b c", 3),
        ("internationalization", 5),  # 20 letters: 3 by the rule, 5 by its bytes
        ("x" * 14 + " " + "y" * 15, 30 / 4),
        ("(a)", 3),
        ("!?!?", 4),
        ("123456789", 3),
        ("héllo", 0.8 + 2),
        ("你好世界", 0.8 * 4),
        ("🚀", 1),
        ("\ud800", 0.8),
    ],
)
def test_words_digits_and_signs_are_tokens(text, tokens):
    assert text_tokens(text) == pytest.approx(tokens)


@given(st.text(max_size=400))
def test_every_text_has_an_estimate(text):
    tokens = text_tokens(text)

    assert len(text.encode("utf-8", "surrogatepass")) / 4 <= tokens <= 2 * len(text.encode("utf-8", "surrogatepass"))
    assert text_tokens(f"{text} and") >= tokens


def test_a_long_text_counts_like_its_ends():
    prose = "The cost of a call is known once it has ended, so its input is estimated before. "
    short, long = prose * 50, prose * 5000

    assert len(short) < MAX_CHARS_OF_A_TEXT < len(long)
    assert text_tokens(long) == pytest.approx(100 * text_tokens(short), rel=0.02)


def test_many_messages_count_like_the_first():
    few = asked(*["some words of a conversation"] * 100)
    many = asked(*["some words of a conversation"] * 10_000)

    assert 100 * len("some words of a conversation") < MAX_CHARS < 10_000 * len("some words of a conversation")
    assert input_tokens(many) == pytest.approx(100 * input_tokens(few), rel=0.01)


def test_all_that_is_sent_counts():
    plain = asked("Hi there")
    told = Request(
        "chat",
        "openai",
        "gpt-4o",
        input=plain.input,
        system=({"type": "text", "content": "You are a helpful assistant that answers in verse."},),
        tools=({"type": "function", "name": "look_up", "parameters": {"properties": {"q": {"type": "string"}}}},),
    )

    assert input_tokens(told) > input_tokens(plain) + 15
    assert input_tokens(asked()) == 1


def test_pictures_are_not_counted_by_their_bytes():
    picture = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "A" * 1_000_000}
    sound = {"type": "uri", "modality": "audio", "uri": "https://example.com/a.mp3"}
    request = Request("chat", "openai", "gpt-4o", input=({"role": "user", "parts": [picture, sound]},))
    inner = {"type": "tool_call_response", "id": "1", "response": {"shown": "data:image/png;base64," + "A" * 9999}}

    assert 0 <= input_tokens(request) - OF_MEDIA["image"] - OF_MEDIA["audio"] < 10
    assert 0 <= written_tokens([{"role": "tool", "parts": [inner]}]) - OF_MEDIA["image"] < 15


def test_a_value_without_an_end_is_left():
    endless: dict[str, object] = {}
    endless["again"] = endless

    assert input_tokens(Request("chat", "openai", "gpt-4o", tools=(endless,))) < 100


def test_the_answer_is_as_long_as_the_request_allows():
    assert output_tokens(asked("x", **{semconv.REQUEST_MAX_TOKENS: 100}), None) == 100
    assert output_tokens(asked("x", **{semconv.REQUEST_MAX_TOKENS: 0}), None) == 0
    assert output_tokens(asked("x", **{semconv.REQUEST_MAX_TOKENS: 9, semconv.REQUEST_CHOICE_COUNT: 3}), None) == 27


def test_a_model_of_which_nothing_is_known_has_the_default():
    assert output_tokens(asked("x", model="no-such-model"), None) == DEFAULT_OUTPUT
    assert output_tokens(asked("x", model=None), None) == DEFAULT_OUTPUT
    assert output_tokens(asked("x", model="no-such-model", operation="embeddings"), None) == 0
    assert output_tokens(asked("x", model="no-such-model", **{semconv.REQUEST_CHOICE_COUNT: 2}), None) == 8192


def test_answers_so_far_tell_of_the_next():
    for tokens in range(1, 101):
        estimates.outputs.learn("openai", "gpt-4o", "u1", tokens)

    # The latest 64 are 37 to 100; 95 % of them stay below 97.
    assert output_tokens(asked("x"), "u1") == 97 * 3 // 2
    assert output_tokens(asked("x"), "somebody else") == 97 * 3 // 2
    assert output_tokens(asked("x", model="gpt-4o-mini"), "u1") == DEFAULT_OUTPUT


def test_a_users_own_answers_come_first_once_there_are_some():
    for _ in range(8):
        estimates.outputs.learn("openai", "gpt-4o", "brief", 10)
    for _ in range(60):
        estimates.outputs.learn("openai", "gpt-4o", "long", 1000)

    assert output_tokens(asked("x"), "brief") == 15
    assert output_tokens(asked("x"), "long") == 1500
    assert output_tokens(asked("x"), None) == 1500


def test_no_more_is_reserved_than_the_default():
    for _ in range(8):
        estimates.outputs.learn("openai", "gpt-4o", None, 100_000)

    assert output_tokens(asked("x"), None) == DEFAULT_OUTPUT


def test_few_answers_tell_nothing():
    outputs = Outputs(least=3)
    outputs.learn("p", "m", None, 5)
    outputs.learn("p", "m", None, 5)
    assert outputs.high("p", "m", None) is None

    outputs.learn("p", "m", None, 7)
    assert outputs.high("p", "m", None) == 7


def test_what_is_learned_stays_bounded():
    outputs = Outputs(keeps=10, least=1)
    for number in range(1000):
        outputs.learn("p", f"m{number}", f"u{number}", number)

    assert len(outputs._known) == 10
    assert outputs.high("p", "m999", "u999") == 999
    assert outputs.high("p", "m1", "u1") is None


def test_prices_are_those_of_the_estimate():
    request = asked("a b c d", **{semconv.REQUEST_MAX_TOKENS: 1000})

    guess = estimate(request, None, time.time(), priced=True)

    assert guess.output_tokens == 1000
    assert guess.input_cost == guess.input_tokens * 2500  # USD 2.50 a million
    assert guess.cost == guess.input_cost + 1000 * 10_000
    assert estimate(request, None, time.time(), priced=False)[2:] == (0, 0)


def test_a_model_without_a_price_costs_nothing_before_the_call():
    assert estimate(asked("x", model="no-such-model"), None, time.time(), priced=True).cost == 0


def test_what_the_request_tells_of_its_bill_is_its_price():
    speech = Request("speech", "openai", "tts-1", billed=Usage(input_characters=1000))

    guess = estimate(speech, None, time.time(), priced=True)

    assert guess == (0, 0, 15_000_000, 15_000_000)  # USD 15 a million
