"""WeChat Pay's messages: the bytes that are sent, what is believed of answers, what is refused."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import wechatpay as wire
from harness.providers.call import (
    Call,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    cause,
)
from harness.providers.wechatpay import orders, reading
from harness.providers.wechatpay.orders import Amount, NewOrder, NewRefund, RefundAmount, Refusal
from harness.providers.wechatpay.signing import Signer, Stamp, authorization
from tests.providers import wechatpay_by_hand as hand
from tests.providers.wechatpay_by_hand import APPID, MCHID, NOW_S, SERIAL, STAMP

NO, REFUND_NO = "1217752501201407033233368018", "1217752501201407033233368018"
NEW = NewOrder(
    appid=APPID,
    mchid=MCHID,
    description="Image形象店-深圳腾大-QQ公仔",
    out_trade_no=NO,
    notify_url="https://www.weixin.qq.com/wxpay/pay.php",
    amount=Amount(1),
)
BACK = NewRefund(out_trade_no=NO, out_refund_no=REFUND_NO, amount=RefundAmount(100, 100))


def calls() -> dict[str, Call[Any]]:
    at = hand.at()
    return {
        "order": wire.order(at, NEW, STAMP),
        "query": wire.query(at, NO, STAMP),
        "close": wire.close(at, NO, STAMP),
        "refund": wire.refund(at, BACK, STAMP),
        "refund query": wire.query_refund(at, REFUND_NO, STAMP),
        "certificates": wire.certificates(at, "k" * 32, STAMP),
    }


# What is sent


TARGETS = {
    "order": ("POST", "/v3/pay/transactions/native"),
    "query": ("GET", f"/v3/pay/transactions/out-trade-no/{NO}?mchid={MCHID}"),
    "close": ("POST", f"/v3/pay/transactions/out-trade-no/{NO}/close"),
    "refund": ("POST", "/v3/refund/domestic/refunds"),
    "refund query": ("GET", f"/v3/refund/domestic/refunds/{REFUND_NO}"),
    "certificates": ("GET", "/v3/certificates"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_request_is_signed_over_the_very_bytes_that_are_sent(name: str) -> None:
    request, (method, target) = calls()[name].request, TARGETS[name]
    text = f"{method}\n{target}\n{NOW_S}\n{STAMP.nonce}\n".encode() + request.content + b"\n"
    signature = hand.signature(hand.merchant_key(), text)
    assert request.headers["authorization"] == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="{MCHID}",nonce_str="{STAMP.nonce}",'
        f'timestamp="{NOW_S}",serial_no="{hand.MERCHANT_SERIAL}",signature="{signature}"'
    )
    assert request.method == method
    assert str(request.url) == f"http://pay/wechatpay{target}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"]
    assert request.headers["wechatpay-serial"] == SERIAL


def test_the_bodies_are_the_wire_s() -> None:
    sent = {name: call.request.content for name, call in calls().items()}
    assert json.loads(sent["order"]) == {
        "appid": APPID,
        "mchid": MCHID,
        "description": "Image形象店-深圳腾大-QQ公仔",
        "out_trade_no": NO,
        "notify_url": "https://www.weixin.qq.com/wxpay/pay.php",
        "amount": {"total": 1, "currency": "CNY"},
    }
    assert json.loads(sent["close"]) == {"mchid": MCHID}
    assert json.loads(sent["refund"]) == {
        "out_trade_no": NO,
        "out_refund_no": REFUND_NO,
        "amount": {"refund": 100, "total": 100, "currency": "CNY"},
    }
    assert sent["query"] == sent["certificates"] == sent["refund query"] == b""


def test_nothing_secret_is_printed() -> None:
    for shown in (hand.at(), orders.Ordered("weixin://wxpay/bizpayurl?pr=x"), calls()["order"]):
        assert "bizpayurl" not in repr(shown) and "PRIVATE" not in repr(shown)


# What is answered


def answered(name: str, foreign: str, status: int = 0, signed: bool = True) -> object:
    """That answer of tests/golden, signed with WeChat's key."""
    message = hand.golden(foreign)
    headers = hand.signed(message.body) if signed else message.headers
    return calls()[name].decode(status or message.status, headers, message.body)


def test_an_order_that_nobody_paid_is_read() -> None:
    told = answered("query", "order_open")
    assert isinstance(told, orders.Order)
    assert (told.trade_state, told.transaction_id) == ("NOTPAY", "")
    assert told.amount and told.amount.total == 1


def test_an_order_is_read_with_no_more_than_must_be_there() -> None:
    told = answered("query", "order_bare")
    assert isinstance(told, orders.Order)
    assert (told.trade_state, told.amount) == ("CLOSED", None)


def test_a_refund_that_was_taken_in_is_read() -> None:
    told = answered("refund", "refund")
    assert isinstance(told, orders.Refunded)
    assert (told.status, told.amount.refund) == ("PROCESSING", 100)


def test_a_closed_order_is_told_by_nothing_but_a_signature() -> None:
    assert calls()["close"].decode(204, hand.signed(b""), b"") == "closed"
    for headers in (httpx.Headers(), hand.signed(b"x")):
        with pytest.raises(Malformed):
            calls()["close"].decode(204, headers, b"")


@pytest.mark.parametrize("name", ["order", "query", "refund", "certificates"])
def test_an_answer_without_a_good_signature_is_malformed(name: str) -> None:
    bodies = {"order": b'{"code_url":"weixin://wxpay/x"}', "certificates": b'{"data":[]}'}
    body = bodies.get(name) or hand.golden({"query": "order_open"}.get(name, name)).body
    spoiled = (
        (hand.signed(body + b" "), "its signature is wrong"),
        (hand.signed(body, now_s=NOW_S - 300), "it was signed at another time"),
        (hand.signed(body, now_s=NOW_S + 300), "it was signed at another time"),
        (hand.signed(body, serial="7B77373C"), "it is signed with an unknown key"),
    )
    for headers, why in spoiled:
        with pytest.raises(Malformed, match=why) as told:
            calls()[name].decode(200, headers, body)
        assert cause(told.value) == f"Malformed: the answer is not WeChat's, as {why}"


@pytest.mark.parametrize(("name", "changed"), [("query", "order_open"), ("refund", "refund")])
def test_an_answer_of_another_order_is_malformed(name: str, changed: str) -> None:
    body = hand.golden(changed).body.replace(NO.encode(), b"1217752501201407033233368017")
    with pytest.raises(Malformed, match="the answer is of another"):
        calls()[name].decode(200, hand.signed(body), body)


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (401, "SIGN_ERROR", Unauthorized),
        (403, "NO_AUTH", Unauthorized),
        (400, "APPID_MCHID_NOT_MATCH", Unauthorized),
        (400, "MCH_NOT_EXISTS", Unauthorized),
        (400, "PARAM_ERROR", Malformed),
        (429, "FREQUENCY_LIMITED", RateLimited),
        (429, "RATELIMIT_EXCEEDED", RateLimited),
        (403, "RULE_LIMIT", RateLimited),
        (403, "FREQUENCY_LIMITED", RateLimited),
        (500, "SYSTEM_ERROR", Overloaded),
        (500, "BANK_ERROR", Overloaded),
        (503, "ORDER_CLOSED", Overloaded),
        (202, "USERPAYING", Malformed),
    ],
)
def test_what_is_no_matter_of_an_order_s_rules_is_a_fault_signed_or_not(
    status: int, code: str, fault: type[ProviderFault]
) -> None:
    body = json.dumps({"code": code, "message": "x"}).encode()
    for headers in (httpx.Headers(), hand.signed(body), hand.signed(b"forged")):
        with pytest.raises(ProviderFault) as told:
            calls()["close"].decode(status, headers, body)
        assert type(told.value) is fault
        assert code in cause(told.value)


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (400, "ORDER_CLOSED", "ORDER_CLOSED"),
        (400, "ORDERPAID", "ORDER_PAID"),
        (400, "INVALID_REQUEST", "INVALID_REQUEST"),
        (403, "OUT_TRADE_NO_USED", "OUT_TRADE_NO_USED"),
        (403, "TRADE_ERROR", "TRADE_ERROR"),
        (404, "ORDER_NOT_EXIST", "ORDER_NOT_EXIST"),
        (404, "ORDERNOTEXIST", "ORDER_NOT_EXIST"),
    ],
)
def test_a_refusal_by_the_rules_is_a_value_and_its_signature_good_if_any(
    status: int, told: str, code: str
) -> None:
    body = json.dumps({"code": told, "message": "why", "detail": {"field": 1}}).encode()
    for unforged in (httpx.Headers(), hand.signed(body)):
        refusal = calls()["query"].decode(status, unforged, body)
        assert isinstance(refusal, Refusal) and refusal.code == code
    for headers, why in (
        (hand.signed(b"forged"), "its signature is wrong"),
        (hand.signed(body, serial="7B77373C"), "it is signed with an unknown key"),
    ):
        with pytest.raises(Malformed, match=why):
            calls()["query"].decode(status, headers, body)


def test_errors_that_merchants_published_are_read() -> None:
    with pytest.raises(Unauthorized) as told:
        answered("order", "sign_error", signed=False)
    assert cause(told.value) == "Unauthorized 401 SIGN_ERROR"
    unknown = answered("refund", "refund_unknown")
    assert isinstance(unknown, Refusal) and unknown.code == "RESOURCE_NOT_EXISTS"


@given(st.sampled_from([*TARGETS]), st.integers(100, 599), st.binary(max_size=60), st.booleans())
@settings(max_examples=60)
def test_an_answer_of_any_bytes_raises_nothing_but_a_fault(
    name: str, status: int, body: bytes, signed: bool
) -> None:
    headers = hand.signed(body) if signed else httpx.Headers({"wechatpay-signature": "x"})
    try:
        told = calls()[name].decode(status, headers, body)
    except ProviderFault:
        return
    assert told == "closed"


# Numbers


@pytest.mark.parametrize("text", ["r1c2-0", "r1c2-0-1", "A|b*c_9-", "x" * 32])
def test_a_number_that_the_wire_allows_is_left_as_it_is(text: str) -> None:
    assert orders.as_order_no(text) == text


@pytest.mark.parametrize(
    "text", ["", "r1-0", "x" * 33, "alice@example.com-0", "愛麗絲-00000", "a b c d"]
)
def test_any_other_number_has_one_of_its_own_in_its_place(text: str) -> None:
    number = orders.as_order_no(text)
    assert orders.is_order_no(number) and number == orders.as_order_no(text)
    assert number != orders.as_order_no(text + "1")


# What the server reads


MERCHANTS = hand.merchants


def read_back(request: httpx.Request, now_s: int = NOW_S) -> object:
    return reading.decode_request(request, MERCHANTS(), now_s)


WANTED: dict[str, object] = {
    "order": NEW,
    "query": reading.Query(NO),
    "close": reading.CloseOrder(NO),
    "refund": BACK,
    "refund query": reading.QueryRefund(REFUND_NO),
    "certificates": reading.AskCertificates(),
}


@pytest.mark.parametrize("name", WANTED)
def test_a_request_is_read_as_it_was_meant(name: str) -> None:
    asked = read_back(calls()[name].request)
    assert asked == reading.Asked(WANTED[name], MCHID, SERIAL)  # type: ignore[arg-type]


def test_a_number_with_every_allowed_sign_goes_there_and_back() -> None:
    asked = read_back(wire.query(hand.at(), "aB0_|*-", STAMP).request)
    assert isinstance(asked, reading.Asked) and asked.what == reading.Query("aB0_|*-")


def test_a_client_may_sign_a_mock_s_whole_path() -> None:
    at, target = hand.at(), "/wechatpay/v3/certificates"
    request = wire.certificates(at, "k" * 32, STAMP).request
    signer = Signer(at.key_id, at.key)
    request.headers["authorization"] = authorization(signer, MCHID, "GET", target, STAMP, b"")
    assert isinstance(read_back(request), reading.Asked)


def other_header(request: httpx.Request, **changed: str) -> httpx.Request:
    for old, new in changed.items():
        header = request.headers["authorization"]
        request.headers["authorization"] = header.replace(f'{old}="', f'{old}="{new}')
    return request


def with_body(request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method, request.url, headers=request.headers, content=request.content + b" "
    )


UNPROVEN: dict[str, Callable[[httpx.Request], httpx.Request]] = {
    "nothing": lambda request: httpx.Request(request.method, request.url, content=request.content),
    "another merchant": lambda request: other_header(request, mchid="9"),
    "another certificate": lambda request: other_header(request, serial_no="9"),
    "another nonce": lambda request: other_header(request, nonce_str="9"),
    "another signature": lambda request: other_header(request, signature="9"),
    "another body": with_body,
}


@pytest.mark.parametrize("why", UNPROVEN)
def test_what_is_not_signed_by_a_known_merchant_is_a_sign_error(why: str) -> None:
    told = read_back(UNPROVEN[why](calls()["order"].request))
    assert isinstance(told, reading.Refused) and told.code == "SIGN_ERROR"


@pytest.mark.parametrize(("off_s", "code"), [(299, ""), (300, "SIGN_ERROR"), (-300, "SIGN_ERROR")])
def test_a_request_of_another_time_is_a_sign_error(off_s: int, code: str) -> None:
    told = read_back(calls()["query"].request, NOW_S + off_s)
    assert (told.code if isinstance(told, reading.Refused) else "") == code


@pytest.mark.parametrize(
    "spoiled",
    [
        {"out_trade_no": "short"},
        {"out_trade_no": "x" * 33},
        {"out_trade_no": "with space"},
        {"amount": {"total": 0, "currency": "CNY"}},
        {"amount": {"total": -1}},
        {"amount": {"total": 1.5}},
        {"amount": {"total": "1"}},
        {"amount": None},
        {"description": ""},
        {"description": "x" * 128},
        {"notify_url": "ftp://x"},
        {"notify_url": ""},
        {"mchid": "1900000001"},
    ],
)
def test_an_order_that_the_wire_does_not_allow_is_a_param_error(
    spoiled: dict[str, object],
) -> None:
    body = json.dumps({**json.loads(calls()["order"].request.content), **spoiled}).encode()
    told = read_back(_signed_anew("POST", TARGETS["order"][1], body))
    assert isinstance(told, reading.Refused) and told.code == "PARAM_ERROR"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000], ids=["none", "half", "list", "raw", "deep"]
)
@pytest.mark.parametrize("name", ["order", "close", "refund"])
def test_a_body_that_is_none_is_a_param_error(name: str, body: bytes) -> None:
    told = read_back(_signed_anew("POST", TARGETS[name][1], body))
    assert isinstance(told, reading.Refused) and told.code == "PARAM_ERROR"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", TARGETS["order"][1]),
        ("POST", "/v3/certificates"),
        ("DELETE", TARGETS["refund"][1]),
        ("GET", "/v3/pay/transactions/jsapi"),
        ("GET", "/"),
    ],
)
def test_what_is_not_on_this_wire_is_no_path(method: str, target: str) -> None:
    assert read_back(_signed_anew(method, target, b"")) == reading.NoSuchPath()


@pytest.mark.parametrize(
    "target", [f"/v3/pay/transactions/out-trade-no/{NO}", "/v3/pay/transactions/id/4200"]
)
def test_a_query_names_the_merchant_that_signs_it(target: str) -> None:
    for query in ("", "?mchid=1900000001"):
        told = read_back(_signed_anew("GET", target + query, b""))
        assert isinstance(told, reading.Refused) and told.code == "PARAM_ERROR"
    assert isinstance(read_back(_signed_anew("GET", f"{target}?mchid={MCHID}", b"")), reading.Asked)


def _signed_anew(method: str, target: str, body: bytes) -> httpx.Request:
    at = hand.at()
    signer, stamp = Signer(at.key_id, at.key), Stamp(NOW_S, "n")
    header = authorization(signer, MCHID, method, target, stamp, body)
    return httpx.Request(
        method, at.base_url + target, headers={"authorization": header}, content=body
    )
