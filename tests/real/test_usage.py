"""The tokens of an answer are found in every dialect, and no answer is a bug."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import MODELS
from harness.providers.chat import Reply, Usage
from harness.real.usage import Spent, cost_usd, price_of, spent_in
from tests.real.sample import PRICES

ANTHROPIC = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":'
    '{"input_tokens":3,"cache_read_input_tokens":100,"output_tokens":1}}}\n\n'
    'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n'
)
OPENAI = (
    'data: {"choices":[{"delta":{"content":"usage"}}],"usage":null}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16,'
    '"completion_tokens_details":{"reasoning_tokens":4}}}\n\ndata: [DONE]\n\n'
)
GEMINI = (
    'data: {"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}\r\n\r\n'
    'data: {"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":5,'
    '"thoughtsTokenCount":30,"totalTokenCount":42}}\r\n\r\n'
)
TOLD = [
    (ANTHROPIC, Spent(103, 42)),
    (OPENAI, Spent(7, 9)),
    (": keep-alive\n\n" + OPENAI, Spent(7, 9)),
    (GEMINI, Spent(7, 35)),
    ('[{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":5}}]', Spent(7, 5)),
    ('\n\n\n{"usage":{"prompt_tokens":7,"completion_tokens":9}}', Spent(7, 9)),
    # A provider that counts thoughts only in the total.
    ('{"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":116}}', Spent(7, 109)),
    ('{"usage":{"prompt_tokens":7,"completion_tokens":9,"cost":0.5}}', Spent(7, 9, 0.5)),
    ('{"usage":{"input_tokens":1,"cache_creation_input_tokens":2,"output_tokens":3}}', Spent(3, 3)),
    ('{"message":"no","usage":{"prompt_tokens":-7,"completion_tokens":-9}}', Spent(0, 0)),
]
NOTHING = [
    "",
    "{}",
    "[]",
    "null",
    "data: {",
    "data: [DONE]",
    '{"usage":null}',
    '{"usage":7}',
    '{"usage":{"prompt_tokens":"7"}}',
    '{"choices":[{"message":{"content":"usage: 7"}}]}',
    "[" * 5_000,
]


@pytest.mark.parametrize(("body", "spent"), TOLD)
def test_the_last_word_on_usage_counts(body: str, spent: Spent) -> None:
    assert spent_in(body.encode()) == spent


@pytest.mark.parametrize("body", NOTHING)
def test_an_answer_that_tells_nothing_is_none(body: str) -> None:
    assert spent_in(body.encode()) is None


@given(st.binary(max_size=200))
def test_no_answer_is_a_bug(body: bytes) -> None:
    for each in (body, b"data: " + body, b'{"usage":' + body):
        spent_in(each)


@pytest.mark.parametrize("name", MODELS)
def test_every_dialects_own_answer_tells_what_it_used(name: str) -> None:
    usage = Usage(prompt=11, completion=40, reasoning=8)
    reply = Reply(
        id="r", model="m", created=1, text="hello", tool_calls=(), finish="stop", usage=usage
    )
    spent = spent_in(MODELS[name].encode_reply(reply))
    assert spent is not None
    assert (spent.tokens_in, spent.tokens_out) == (11, 40)


def test_a_model_is_priced_by_its_id_or_behind_its_vendor() -> None:
    assert price_of("gpt-5.4-nano", PRICES) == price_of("openai/gpt-5.4-nano", PRICES)
    assert price_of("gpt-5.4", PRICES) is None
    assert cost_usd((2.0, 10.0), Spent(500_000, 100_000)) == 2.0
    assert cost_usd((2.0, 10.0), Spent(1, 1, 0.5)) == 0.5
