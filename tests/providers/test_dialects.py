"""DeepSeek, Qwen, Mistral: what each writes otherwise than OpenAI, as client and as server."""

import json

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from harness.providers.call import Endpoint, ProviderFault
from harness.providers.chat import (
    Ask,
    Headroom,
    Message,
    Reply,
    Schema,
    Served,
    Tool,
    ToolCall,
    Trouble,
    TroubleKind,
    Usage,
)
from harness.providers.dialects import DEEPSEEK, DIALECTS, MISTRAL, QWEN
from harness.providers.openai import Dialect
from harness.providers.openai.ask import SCHEMA_WORDS
from harness.providers.openai.got import decode_reply, decode_stream
from harness.providers.sse import is_keep_alive
from tests.providers.anything import pieces
from tests.providers.foreign import read

AT = Endpoint("http://model/v1", "a-key")
OBJECT = msgspec.Raw(b'{"type":"object"}')
PAY, LOOK = Tool("pay", "Pay it.", OBJECT), Tool("look", "", OBJECT)
SAID = [{"role": "user", "content": "hi"}]
HI = Ask(model="m", messages=[Message("user", "hi")])
REPLY = Reply(
    id="c-1",
    model="m",
    created=17,
    text="All done.",
    tool_calls=(ToolCall("D681PevKs", "pay", '{"amount": "12.50", "payee": "tea-house"}'),),
    finish="tool_calls",
    usage=Usage(16, 10, 5),
    reasoning="The state of the payment is paid, so I tell that.",
)
KINDS: tuple[TroubleKind, ...] = (
    "bad_request", "unauthorized", "not_found", "too_large", "rate_limited", "overloaded",
)  # fmt: skip


def sent(dialect: Dialect, ask: Ask) -> dict[str, object]:
    body = json.loads(dialect.chat(AT, ask).request.content)
    assert isinstance(body, dict)
    return body


def decide(dialect: Dialect, **body: object) -> Ask | Trouble:
    whole = {"model": "m", "messages": SAID, **body}
    content = json.dumps(whole).encode()
    return dialect.decode_request(
        httpx.Request("POST", AT.url("/chat/completions"), content=content)
    )


def error(dialect: Dialect, trouble: Trouble) -> tuple[int, object]:
    status, _, body = dialect.encode_trouble(trouble)
    return status, json.loads(body)


# All of them


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda of: of.NAME)
@pytest.mark.parametrize("ask", [
    HI,
    replace(HI, stream=True, include_usage=True, max_tokens=9),
    replace(HI, tools=[PAY], tool_choice="required"),
    replace(HI, tools=[PAY, LOOK], tool_choice="look"),
    replace(HI, schema=Schema("score", OBJECT)),
])  # fmt: skip
def test_each_server_reads_what_its_client_writes(dialect: Dialect, ask: Ask) -> None:
    asked = dialect.decode_request(dialect.chat(AT, ask).request)
    assert isinstance(asked, Ask), asked
    assert [tool.name for tool in asked.tools] == [tool.name for tool in ask.tools]
    assert (asked.max_tokens, asked.stream) == (ask.max_tokens, ask.stream)
    assert (asked.schema is None) is (ask.schema is None)
    if asked.schema and ask.schema:
        assert bytes(asked.schema.schema) == bytes(ask.schema.schema)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda of: of.NAME)
def test_a_reply_survives_both_ways_of_sending_it(dialect: Dialect) -> None:
    seen = REPLY if dialect.manner.thinks_in else replace(REPLY, reasoning="")
    assert decode_reply(200, httpx.Headers(), dialect.encode_reply(REPLY)) == seen
    asked = replace(HI, stream=True, include_usage=True)
    chunks = dialect.encode_stream(REPLY, pieces(REPLY.text, 3), asked)
    assert decode_stream(b"".join(chunks)) == seen


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda of: of.NAME)
@pytest.mark.parametrize("kind", KINDS)
def test_each_trouble_is_a_fault_to_the_client(dialect: Dialect, kind: TroubleKind) -> None:
    trouble = Trouble(kind=kind, message="m", retry_after_s=1.5, param="messages[0].role")
    status, headers, body = dialect.encode_trouble(trouble)
    assert headers["content-type"] == "application/json"
    assert headers["retry-after"] == "2"
    assert 400 <= status < 600
    with pytest.raises(ProviderFault, match=f"^{status} "):
        decode_reply(status, httpx.Headers(headers), body)


def test_none_of_them_is_asked_to_think() -> None:
    assert sent(DEEPSEEK, HI)["thinking"] == {"type": "disabled"}
    assert sent(QWEN, HI)["enable_thinking"] is False


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda of: of.NAME)
def test_all_bound_an_answer_by_the_older_field(dialect: Dialect) -> None:
    body = sent(dialect, replace(HI, max_tokens=9))
    assert body["max_tokens"] == 9
    assert "max_completion_tokens" not in body


@pytest.mark.parametrize(
    ("dialect", "tools", "choice"),
    [
        (DEEPSEEK, [PAY, LOOK], "required"),
        (MISTRAL, [PAY, LOOK], "any"),
        (QWEN, [PAY, LOOK], "auto"),
        (QWEN, [PAY], {"type": "function", "function": {"name": "pay"}}),
    ],
)
def test_each_has_its_own_word_for_a_call_that_must_be(
    dialect: Dialect, tools: list[Tool], choice: object
) -> None:
    assert sent(dialect, replace(HI, tools=tools, tool_choice="required"))["tool_choice"] == choice


def test_who_takes_no_schema_is_told_it_in_words() -> None:
    asked = replace(HI, schema=Schema("score", OBJECT))
    for dialect in (DEEPSEEK, QWEN):
        body = sent(dialect, asked)
        assert body["response_format"] == {"type": "json_object"}
        assert body["messages"] == [
            {"role": "system", "content": SCHEMA_WORDS + '{"type":"object"}'},
            *SAID,
        ]
    form = sent(MISTRAL, asked)["response_format"]
    assert isinstance(form, dict) and form["type"] == "json_schema"


# DeepSeek


def test_a_client_of_deepseek_that_waits_is_told_that_it_was_not_forgotten() -> None:
    stream, whole = DEEPSEEK.encode_keep_alive(True), DEEPSEEK.encode_keep_alive(False)
    assert stream == b": keep-alive\n\n"
    assert whole.strip() == b""
    assert is_keep_alive(stream) and is_keep_alive(whole)
    assert decode_reply(200, httpx.Headers(), whole * 9 + DEEPSEEK.encode_reply(REPLY)) == REPLY


def test_deepseek_thinks_aloud_before_it_answers_and_counts_its_cache() -> None:
    chunks = DEEPSEEK.encode_stream(REPLY, [REPLY.text or ""], replace(HI, include_usage=True))
    body = b"".join(chunks)
    assert body.index(b"reasoning_content") < body.index(b"All done.")
    told = json.loads(DEEPSEEK.encode_reply(REPLY))
    assert told["choices"][0]["message"]["reasoning_content"] == REPLY.reasoning
    usage = told["usage"]
    assert (usage["prompt_cache_hit_tokens"], usage["prompt_cache_miss_tokens"]) == (0, 16)


def test_deepseek_refuses_a_schema_as_the_api_does() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a"}}
    trouble = decide(DEEPSEEK, response_format=form)
    assert isinstance(trouble, Trouble)
    told = read("deepseek/error_400_schema.http")
    assert error(DEEPSEEK, trouble) == (told.status, json.loads(told.body))


def test_deepseek_knows_no_developer() -> None:
    trouble = decide(DEEPSEEK, messages=[{"role": "developer", "content": "d"}])
    assert isinstance(trouble, Trouble)
    assert "messages[0].role" in trouble.message


def test_an_unknown_model_of_deepseek_is_answered_as_by_the_api() -> None:
    told = read("deepseek/error_400_model.http")
    trouble = Trouble(kind="not_found", message="m")
    assert error(DEEPSEEK, trouble) == (told.status, json.loads(told.body))


# Qwen


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble(kind="rate_limited", message="m", limit="requests"), "limit_requests"),
        (Trouble(kind="rate_limited", message="m", limit="tokens"), "insufficient_quota"),
    ],
)
def test_qwen_names_the_limit_that_was_reached(trouble: Trouble, code: str) -> None:
    status, body = error(QWEN, trouble)
    assert isinstance(body, dict)
    assert (status, body["error"]["type"], body["error"]["code"]) == (429, code, code)


@pytest.mark.parametrize(
    ("kind", "golden"), [("unauthorized", "error_401"), ("rate_limited", "error_429")]
)
def test_qwens_errors_are_those_of_the_api(kind: TroubleKind, golden: str) -> None:
    told = read(f"qwen/{golden}.http")
    status, body = error(QWEN, Trouble(kind=kind, message="m"))
    foreign = json.loads(told.body)["error"]
    foreign["message"] = foreign["message"].strip()
    assert (status, body) == (told.status, {"error": foreign})


def test_qwen_is_found_under_its_compatible_mode() -> None:
    assert QWEN.BASE_PATH == "/compatible-mode/v1"


# Mistral


@pytest.mark.parametrize(
    ("body", "golden"),
    [
        ({"max_completion_tokens": 32000}, "mistral/error_422"),
        (
            {"stream": True, "stream_options": {"include_usage": True}},
            "mistral/error_422_usage",
        ),
    ],
)
def test_mistral_takes_no_field_that_it_does_not_know(body: dict[str, object], golden: str) -> None:
    trouble = decide(MISTRAL, **body)
    assert isinstance(trouble, Trouble)
    told = read(f"{golden}.http")
    foreign = json.loads(told.body)
    del foreign["message"]["detail"][0]["input"]  # What was sent is not repeated here.
    assert error(MISTRAL, trouble) == (told.status, foreign)


def test_what_only_mistral_knows_it_takes() -> None:
    asked = decide(MISTRAL, safe_prompt=True, random_seed=7, stream_options=None, n=1)
    assert isinstance(asked, Ask)


def test_mistrals_client_asks_for_no_usage_and_is_told_it() -> None:
    asked = replace(HI, stream=True, include_usage=True)
    assert "stream_options" not in sent(MISTRAL, asked)
    chunks = MISTRAL.encode_stream(REPLY, [], replace(asked, include_usage=False))
    assert decode_stream(b"".join(chunks)).usage == REPLY.usage


def test_a_streamed_call_of_mistral_comes_in_one_piece() -> None:
    chunks = MISTRAL.encode_stream(REPLY, [], HI)
    calls = [chunk for chunk in chunks if b"tool_calls" in chunk]
    assert len(calls) == 2  # the call, and the finish that names it as the reason


@pytest.mark.parametrize("kind", ["unauthorized", "rate_limited"])
def test_mistrals_errors_have_the_apis_shape(kind: TroubleKind) -> None:
    golden = {"unauthorized": "error_401", "rate_limited": "error_429"}[kind]
    told = read(f"mistral/{golden}.http")
    foreign = json.loads(told.body)
    foreign.pop("raw_status_code", None)
    assert error(MISTRAL, Trouble(kind=kind, message="m")) == (told.status, foreign)


def test_a_wrong_place_is_told_as_a_way_into_the_body() -> None:
    trouble = decide(MISTRAL, messages=[{"role": "king", "content": "hi"}])
    assert isinstance(trouble, Trouble)
    status, body = error(MISTRAL, trouble)
    assert isinstance(body, dict)
    (wrong,) = body["message"]["detail"]
    assert (status, wrong["loc"]) == (422, ["body", "messages", 0, "role"])


@pytest.mark.parametrize("name", ["²", "a.b", "[", "9" * 5000, "x" * 300])
def test_no_name_of_a_field_is_too_odd_to_be_refused(name: str) -> None:
    trouble = decide(MISTRAL, **{name: 1})
    assert isinstance(trouble, Trouble)
    assert error(MISTRAL, trouble)[0] == 422


# Headers


def test_each_tells_of_itself_what_its_api_tells() -> None:
    served = Served(
        request_id="req_1", processing_ms=7.4, requests=Headroom(720, 717, 1), tokens=None
    )
    assert DEEPSEEK.encode_served(served) == {"x-ds-trace-id": "req_1"}
    assert QWEN.encode_served(served)["x-request-id"] == "req_1"
    told = MISTRAL.encode_served(served)
    foreign = read("mistral/completion.http").headers
    for name in ("x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute"):
        assert told[name] == foreign[name]
    assert "x-ratelimit-limit-tokens-minute" not in told


def test_mistrals_cards_say_what_a_model_can() -> None:
    told = json.loads(MISTRAL.encode_listing(["a", "b"], "", 17))
    assert (told["object"], [card["id"] for card in told["data"]]) == ("list", ["a", "b"])
    card = json.loads(MISTRAL.encode_listing(["a"], "a", 17))
    assert card == told["data"][0]
    assert (card["type"], card["created"]) == ("base", 17)
    assert card["capabilities"]["function_calling"] is True
