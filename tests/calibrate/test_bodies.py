"""What the bodies of an exchange tell, in every dialect: model, tokens, shapes, and no secret."""

import gzip
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calibrate.bodies import (
    MOST_DOCUMENTS,
    Used,
    asked_model,
    documents,
    is_stream,
    plain_body,
    used,
)
from harness.calibrate.masked import LONGEST, MASK, masked
from harness.calibrate.shapes import Shape, shape_of
from harness.providers import MODELS
from harness.providers.call import Endpoint
from harness.providers.chat import Ask, Message, Reply, Usage
from harness.providers.sse import Event, encode_event

REPLY = Reply(
    id="r1", model="m-2024", created=1, text="Hello there", finish="stop", usage=Usage(11, 7, 2)
)
JSON, SSE = "application/json", "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("provider", MODELS)
def test_the_tokens_of_every_wire_are_found_whole_and_streamed(provider: str) -> None:
    wire = MODELS[provider]
    ask = Ask(model="m", messages=[Message("user", "hi")], stream=True, include_usage=True)
    stream = b"".join(wire.encode_stream(REPLY, ["Hello ", "there"], ask))
    whole = used(documents(wire.encode_reply(REPLY), JSON))
    assert (whole.prompt, whole.completion) == (11, 7)
    assert used(documents(stream, SSE)) == whole


@pytest.mark.parametrize("provider", MODELS)
def test_the_model_of_every_wire_is_found_in_its_request(provider: str) -> None:
    ask = Ask(model="m-1", messages=[Message("user", "hi")])
    request = MODELS[provider].chat(Endpoint("http://x", "k"), ask).request
    assert asked_model(request.url.path, request.content) == "m-1"


DIALECTS = [
    # OpenAI's responses: in the last event, below `response`.
    (SSE, b'data: {"type":"response.completed","response":{"model":"o","usage":{"input_tokens":5,'
     b'"output_tokens":6}}}\n\n', Used("o", 5, 6)),
    # Anthropic: what a cache gave is part of the prompt, and the last count holds.
    (SSE, b'data: {"type":"message_start","message":{"model":"c","usage":{"input_tokens":3,'
     b'"cache_read_input_tokens":40,"output_tokens":1}}}\n\n'
     b'data: {"type":"message_delta","usage":{"output_tokens":9}}\n\n', Used("c", 43, 9)),
    # Gemini without alt=sse: one array; thoughts are written too.
    (JSON, b'[{"modelVersion":"g"},{"usageMetadata":{"promptTokenCount":2,"thoughtsTokenCount":3,'
     b'"candidatesTokenCount":4}}]', Used("g", 2, 7)),
    # Ollama and others: a JSON value a line.
    ("application/x-ndjson", b'{"model":"l"}\n{"usage":{"completion_tokens":2}}\n',
     Used("l", None, 2)),
    # What else has such names.
    (JSON, b'{"message":"no","usage":{"prompt_tokens":1},"model":"m"}', Used("m", 1, None)),
    (JSON, b'{"usage":null,"model":null}', Used()),
    (JSON, b'{"usage":"lots","model":7}', Used()),
    (JSON, b'{"usage":{"prompt_tokens":1', Used()),
    (SSE, b"data: [DONE]\n\ndata: {\n\n", Used()),
    ("text/html", b"<html>", Used()),
    (JSON, b"[" * 100_000, Used()),
    (JSON, b"", Used()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "told"), DIALECTS)
def test_each_dialect_tells_its_usage_and_all_else_none(kind: str, body: bytes, told: Used) -> None:
    assert used(documents(body, kind)) == told


@given(st.binary(max_size=200), st.sampled_from([JSON, SSE, "application/x-ndjson", "", "x/y"]))
def test_no_bytes_break_the_reading_of_a_body(body: bytes, kind: str) -> None:
    used(documents(body, kind))
    asked_model("/x", body)
    shape_of(documents(body, kind))
    masked(body.decode("latin-1"))
    for encoding in ("", "gzip", "deflate", "br"):
        plain_body(body, encoding)


def test_of_a_long_stream_both_ends_are_looked_into() -> None:
    middle = b'data: {"delta":"hi"}\n\n' * 1000
    first = b'data: {"message":{"model":"c","usage":{"input_tokens":3}}}\n\n'
    last = b'data: {"usage":{"output_tokens":9}}\n\ndata: [DONE]\n\n'
    found = documents(first + middle + last, SSE)
    assert used(found) == Used("c", 3, 9) and len(found) == MOST_DOCUMENTS


def test_packed_bodies_are_read_and_unknown_packings_are_not() -> None:
    assert plain_body(gzip.compress(b"hi"), "gzip") == b"hi"
    assert plain_body(zlib.compress(b"hi"), "Deflate") == b"hi"
    assert plain_body(b"hi", "") == plain_body(b"hi", "identity") == b"hi"
    assert plain_body(b"hi", "br") is None and plain_body(b"hi", "gzip") is None


def test_a_small_packed_body_cannot_fill_the_memory() -> None:
    assert len(plain_body(gzip.compress(bytes(10_000_000)), "gzip") or b"") < 3_000_000


@pytest.mark.parametrize(
    ("kind", "stream"),
    [("text/event-stream", True), ("Text/Event-Stream;x=1", True), ("application/jsonl", True),
     ("application/json", False), ("", False)],
)  # fmt: skip
def test_a_stream_is_known_by_its_type(kind: str, stream: bool) -> None:
    assert is_stream(kind) == stream


# Shapes

SHAPES: list[tuple[list[str], Shape | None]] = [
    (['{"a":1,"b":1.5,"c":true,"d":null,"e":"four"}'],
     {"a": "integer", "b": "number", "c": "bool", "d": "null", "e": "text(4)"}),
    (['{"m":[{"r":"a"},{"r":"abc","x":1}]}'], {"m": ["2", {"r": "text(1-3)", "x?": "integer"}]}),
    (['{"a":1}', '{"a":null}', '{"a":"xy"}'], {"a": "text(2)|integer|null"}),
    (['{"a":{"b":1}}', '{"a":null}'], {"a": ["or", "null", {"b": "integer"}]}),
    (['{"l":[]}', '{"l":[1,2]}'], {"l": ["0-2", "integer"]}),
    (['{"ok":1,"cus_9f8a7":"x","ann@example.com":"yz"}'], {"ok": "integer", "{key}": "text(1-2)"}),
    (["[[[[[[[[[[1]]]]]]]]]]"], ["1", ["1", ["1", ["1", ["1", ["1", ["1", ["1", ".."]]]]]]]]),
    (['{"l":[1,{"a":1}]}', '{"l":[2,{"a":2}]}', '{"l":["x"]}'],
     {"l": ["1-2", ["or", "text(1)|integer", {"a": "integer"}]]}),
    (['{"sk-abcdefghijkl":1,"AKIAABCDEFGHIJKL":2}'], {"{key}": "integer"}),
    (["nonsense"], None),
    ([], None),
]  # fmt: skip


@pytest.mark.parametrize(("values", "shape"), SHAPES)
def test_a_shape_has_keys_types_and_lengths(values: list[str], shape: Shape | None) -> None:
    assert shape_of(value.encode() for value in values) == shape


SAID = st.text(alphabet="qzjx", min_size=8, max_size=12)
VALUES = st.recursive(
    SAID | st.integers(10**12, 10**15) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_no_value_is_in_a_shape(values: list[object]) -> None:
    shape = msgspec.json.encode(shape_of([msgspec.json.encode(value) for value in values]))
    assert not set("qzj") & set(shape.decode().replace("integer", ""))
    assert len(shape) < 4000


# Secrets

CARD = "4242424242424242"
HIDDEN = [
    ('{"api_key":"abcdefg"}', ("abcdefg",)),
    ('{"clientSecret":"pi_1_secret_9","access_token":"tt"}', ("pi_1_secret_9", "tt")),
    ('{"card":{"number":"4000 0566 5566 5556","cvc":"314","exp_month":3}}', ("4000", "314")),
    ('{"card":{"number":4242424242424242,"cvc":314}}', (CARD, "314")),
    ('{"token":{"value":"deep-one"}}', ("deep-one",)),
    ('{"arguments":"{\\"card_number\\":\\"12345\\"}"}', ("12345",)),
    ('{"text":"my key is sk-proj-abcdefgh123456"}', ("sk-proj",)),
    (f'{{"text":"pay with 4242-4242-4242-4242 or {CARD}."}}', ("4242",)),
    (f"card[number]={CARD}&card[cvc]=314&amount=1250", (CARD, "314")),
    ("sign=abcdef%2B%2F&biz_content=%7B%22auth_token%22%3A%22xyzzy%22%7D", ("abcdef", "xyzzy")),
    ('data: {"token":"aa11"}\n\ndata: {"password":"bb22"}\n\n', ("aa11", "bb22")),
    ("Authorization: Bearer abcdefgh1234", ("abcdefgh1234",)),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", ("eyJ",)),
    ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", ("MIIabc",)),
    ('{"a":"-----BEGIN RSA PRIVATE KEY-----\\nMIIabc"}', ("MIIabc",)),
]


@pytest.mark.parametrize(("body", "secrets"), HIDDEN)
def test_secrets_are_masked_where_they_stand(body: str, secrets: tuple[str, ...]) -> None:
    shown = masked(body)
    assert MASK.split()[0][1:] in shown and not [one for one in secrets if one in shown]


KEPT = [
    '{"model":"gpt-4o","max_tokens":512,"usage":{"prompt_tokens":7,"tokens":9}}',
    '{"amount":4242,"order":"1234567890123","created":1795814766,"ok":true,"none":null}',
    "hello, nothing here",
    "amount=1250&currency=cny",
    'data: {"delta":"hi"}\n\ndata: [DONE]\n\n',
]


@pytest.mark.parametrize("body", KEPT)
def test_what_is_no_secret_stays_as_it_is(body: str) -> None:
    assert masked(body) == body


def test_what_headers_had_is_masked_in_bodies_however_it_is_spelled() -> None:
    for body in ("a=se/cret%20x&b=se%2Fcret+x", r'{"a":"se\/cret x","b":"s\u0065/cret x"}'):
        assert "cret" not in masked(body, ["se/cret x", "short"])


def test_masked_json_is_json_still() -> None:
    assert msgspec.json.decode(masked('{"key":"a\\"b","n":[1,{"pin":1234}]}')) == {
        "key": MASK,
        "n": [1, {"pin": MASK}],
    }


def test_a_body_is_kept_up_to_a_length() -> None:
    assert len(masked("x y " * LONGEST)) == LONGEST


def test_events_are_read_whatever_their_line_ends() -> None:
    body = encode_event(Event('{"model":"a"}')) + b'data:{"model":"b"}\r\n\r\n'
    assert used(documents(body, SSE)).model == "b"
