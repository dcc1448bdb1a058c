"""Why calls fail, over all wires: the kind of fault, the status, and the provider's own code."""

import json
from collections.abc import Callable

import httpx
import pytest

from harness.providers import alipay_ai, anthropic, flat, gemini, stripe, unionpay_ai
from harness.providers import wechat_ai as wechat
from harness.providers.alipay_ai.trade import Query
from harness.providers.call import Endpoint, ProviderFault, cause
from harness.providers.openai.got import decode_reply
from tests.providers import alipay_by_hand as hand
from tests.providers.foreign import read

Decode = Callable[[int, httpx.Headers, bytes], object]

AT = Endpoint("http://pay", "sk_test_key", "app")
PLAIN, STREAM = httpx.Headers(), httpx.Headers({"content-type": "text/event-stream"})
OPENAI, ANTHROPIC, GEMINI = decode_reply, anthropic.decode_reply, gemini.decode_reply
STRIPE = stripe.retrieve_intent(AT, "pi_1").decode
FLAT = flat.query(AT, "n-1").decode
UNIONPAY, TOKEN = unionpay_ai.query(AT, "t", "n-1").decode, unionpay_ai.ask_token(AT).decode
WECHAT, WECHAT_KEY = wechat.refresh(AT, "r-1").decode, wechat.fetch_key(AT).decode
ALIPAY = alipay_ai.ask(hand.at(), Query(out_trade_no="o-1"), hand.TIME).decode
CLIENT = alipay_ai.submit(hand.at(), "order", "2088", "app").decode


def why(decode: Decode, status: int, body: bytes, headers: httpx.Headers = PLAIN) -> str:
    with pytest.raises(ProviderFault) as caught:
        decode(status, headers, body)
    return cause(caught.value)


@pytest.mark.parametrize(
    ("decode", "golden", "says"),
    [
        (OPENAI, "openai/error_401", "Unauthorized 401 invalid_request_error invalid_api_key"),
        (OPENAI, "openai/error_429", "RateLimited 429 tokens rate_limit_exceeded"),
        (OPENAI, "openai/stream_error", "Overloaded server_error: in mid-stream"),
        (OPENAI, "deepseek/error_402", "Malformed 402 unknown_error invalid_request_error"),
        (OPENAI, "deepseek/stream_broken_off",
         "Overloaded insufficient_system_resource: broken off"),
        (OPENAI, "mistral/error_401", "Unauthorized 401"),
        (OPENAI, "mistral/error_429", "RateLimited 429 rate_limited 1300"),
        (OPENAI, "qwen/error_429", "RateLimited 429 limit_requests"),
        (OPENAI, "litellm/error_429", "RateLimited 429 throttling_error"),
        (OPENAI, "portkey/error_503", "Overloaded 503 server_error"),
        (OPENAI, "openrouter/error_402", "Malformed 402"),
        (OPENAI, "openrouter/stream_error", "RateLimited 429: in mid-stream"),
        (OPENAI, "openrouter/late_error", "Overloaded 502: in mid-stream"),
        (ANTHROPIC, "anthropic/error_401", "Unauthorized 401 authentication_error"),
        (ANTHROPIC, "anthropic/error_404", "Malformed 404 not_found_error"),
        (ANTHROPIC, "anthropic/error_429", "RateLimited 429 rate_limit_error"),
        (ANTHROPIC, "anthropic/error_529", "Overloaded 529 overloaded_error"),
        (ANTHROPIC, "anthropic/stream_error", "Overloaded overloaded_error: in mid-stream"),
        (GEMINI, "gemini/error_400_key", "Unauthorized 400 INVALID_ARGUMENT API_KEY_INVALID"),
        (GEMINI, "gemini/error_429", "RateLimited 429 RESOURCE_EXHAUSTED"),
        (GEMINI, "gemini/error_503", "Overloaded 503 UNAVAILABLE"),
        (GEMINI, "gemini/error_array", "Malformed 400 INVALID_ARGUMENT"),
        (GEMINI, "gemini/stream_error", "Overloaded UNAVAILABLE: in mid-stream"),
        (STRIPE, "stripe/error_401", "Unauthorized 401 invalid_request_error"),
        (STRIPE, "stripe/error_409", "Overloaded 409 idempotency_error idempotency_key_in_use"),
        (STRIPE, "stripe/error_429", "RateLimited 429 invalid_request_error rate_limit"),
        (STRIPE, "stripe/error_500", "Overloaded 500 api_error"),
        (STRIPE, "stripe/intent_live", "Malformed: an object of live mode"),
        (ALIPAY, "alipay/call_limited", "RateLimited 40005 isv.app-call-limited"),
        (ALIPAY, "alipay/unavailable", "Overloaded 20000 isp.unknow-error"),
        (ALIPAY, "alipay/invalid_signature", "Unauthorized 40002 isv.invalid-signature"),
        (CLIENT, "alipay/app_pay_failed", "Unauthorized 40002 isv.invalid-signature"),
        (FLAT, "rfc/problem", "Unauthorized 403 out-of-credit"),
        (UNIONPAY, "rfc/problem", "Unauthorized 403 out-of-credit"),
        (TOKEN, "rfc/token_refused", "Malformed 400 invalid_request"),
    ],
)  # fmt: skip
def test_foreign_bytes_name_the_providers_own_code(decode: Decode, golden: str, says: str) -> None:
    told = read(f"{golden}.http")
    assert why(decode, told.status, told.body, told.headers) == says


@pytest.mark.parametrize(
    ("decode", "status", "body", "says"),
    [
        (WECHAT, 429, {"code": "FREQUENCY_LIMITED", "message": "x"},
         "RateLimited 429 FREQUENCY_LIMITED"),
        (WECHAT, 503, {"ver": "0.9", "ret": "SYSTEM_BUSY"}, "Overloaded 503 SYSTEM_BUSY"),
        (WECHAT_KEY, 500, {"code": "SYSTEM_ERROR"}, "Overloaded 500 SYSTEM_ERROR"),
        (WECHAT, 200, {"ver": "0.9", "seq": "1", "ret": "BORED"},
         "Malformed BORED: an unknown refusal"),
        (CLIENT, 200, {"resultStatus": "6004", "result": ""},
         "Unreachable 6004: the Alipay client's own word"),
        (TOKEN, 401, {"error": "invalid_client", "error_description": "who is app-17?"},
         "Unauthorized 401 invalid_client"),
        (TOKEN, 429, {"type": "https://x/p/rate-limited"}, "RateLimited 429 rate-limited"),
        (FLAT, 400, {"type": "https://x/p#odd?id=7", "title": "Odd"}, "Malformed 400 odd"),
        (FLAT, 404, {"title": "Nothing here"}, "Malformed 404 Nothing here"),
        (STRIPE, 403, {"error": {"type": "card_error", "code": "c", "decline_code": "lost_card"}},
         "Unauthorized 403 card_error c lost_card"),
        (GEMINI, 200, {"candidates": [{"finishReason": "WHIM"}]},
         "Malformed WHIM: a finish reason that the wire does not know"),
        (GEMINI, 429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]}},
         "RateLimited 429 RESOURCE_EXHAUSTED RATE_LIMIT_EXCEEDED"),
        (OPENAI, 200, {"id": "1", "model": "m", "created": 1, "choices": []},
         "Malformed: a completion without choices"),
    ],
)  # fmt: skip
def test_each_wire_finds_its_code(decode: Decode, status: int, body: object, says: str) -> None:
    assert why(decode, status, json.dumps(body).encode()) == says


EVERY = pytest.mark.parametrize(
    "decode",
    [OPENAI, ANTHROPIC, GEMINI, STRIPE, FLAT, UNIONPAY, TOKEN, WECHAT, WECHAT_KEY, ALIPAY, CLIENT],
    ids=lambda of: of.__module__.removeprefix("harness.providers."),
)


@EVERY
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (302, "Malformed 302"),
        (403, "Unauthorized 403"),
        (429, "RateLimited 429"),
        (502, "Overloaded 502"),
    ],
)
def test_a_page_of_a_proxy_between_is_named_by_its_status(
    decode: Decode, status: int, says: str
) -> None:
    assert why(decode, status, b"<html><h1>nginx 4580</h1></html>") == says


@EVERY
def test_where_there_is_nothing_at_the_path_the_status_says_so(decode: Decode) -> None:
    assert why(decode, 404, b"<html>404</html>").startswith("Malformed 404")


@EVERY
def test_what_is_no_json_is_told_from_json_of_another_shape(decode: Decode) -> None:
    assert why(decode, 200, b"hello r0a1c17-3") == "Malformed: no JSON"
    assert why(decode, 200, b'["r0a1c17-3"]') == "Malformed: JSON of another shape"


@pytest.mark.parametrize(
    ("decode", "family", "says"),
    [
        (OPENAI, "openai", "Malformed: the stream ended before [DONE]"),
        (ANTHROPIC, "anthropic", "Malformed: the stream ended before message_stop"),
        (GEMINI, "gemini", "Malformed: no finish reason"),
    ],
)
def test_a_stream_that_is_cut_off_is_malformed(decode: Decode, family: str, says: str) -> None:
    body = read(f"{family}/stream_text.http").body
    first, end, _ = body.partition(b"\n\n" if b"\n\n" in body else b"\r\n\r\n")
    assert why(decode, 200, first + end, STREAM) == says
