"""The Alipay wire in both roles, each against foreign bytes and messages signed by hand."""

import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import (
    Call,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from tests.providers import alipay_by_hand as hand
from tests.providers.foreign import read

QUERY = trade.Query(out_trade_no="o-1")
ORDER = trade.AppPay(out_trade_no="o-1", total_amount="12.50", subject="茶 & milk", seller_id="t")
HEADERS = httpx.Headers()
Ask = Call[trade.Reply | trade.Refusal]

ASKED: dict[str, tuple[trade.Biz, dict[str, object]]] = {
    "alipay.trade.pay": (
        trade.Pay(out_trade_no="o-1", total_amount="0.01", subject="茶", auth_code="2876"),
        {"subject": "茶", "out_trade_no": "o-1", "total_amount": "0.01", "auth_code": "2876"},
    ),
    "alipay.trade.precreate": (
        trade.Precreate(out_trade_no="o-1", total_amount="12.50", subject="a+b=c&d", seller_id="t"),
        {"out_trade_no": "o-1", "total_amount": "12.50", "subject": "a+b=c&d", "seller_id": "t"},
    ),
    "alipay.trade.query": (QUERY, {"out_trade_no": "o-1"}),
    "alipay.trade.refund": (
        trade.Refund(refund_amount="1.00", out_trade_no="o-1", out_request_no="r-1"),
        {"out_trade_no": "o-1", "refund_amount": "1.00", "out_request_no": "r-1"},
    ),
    "alipay.trade.fastpay.refund.query": (
        trade.RefundQuery(out_request_no="r-1", trade_no="2026"),
        {"trade_no": "2026", "out_request_no": "r-1"},
    ),
    "alipay.trade.close": (trade.Close(trade_no="2026"), {"trade_no": "2026"}),
    "alipay.trade.cancel": (trade.Cancel(out_trade_no="o-1"), {"out_trade_no": "o-1"}),
}


# Requests


@pytest.mark.parametrize("method", ASKED)
def test_a_request_is_written_as_the_gateway_reads_it(method: str) -> None:
    biz, by_hand = ASKED[method]
    request = wire.ask(hand.at(), biz, hand.TIME, "http://app/n").request
    query = dict(parse_qsl(request.url.query.decode(), strict_parsing=True))
    form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
    assert (request.method, request.url.path) == ("POST", "/alipay-ai/gateway.do")
    assert list(form) == ["biz_content"]
    assert json.loads(form["biz_content"]) == by_hand
    signature = query.pop("sign")
    assert query == {
        "app_id": hand.APP_ID,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": hand.TIME,
        "version": "1.0",
        "notify_url": "http://app/n",
    }
    assert signature == hand.sign("app", hand.canonical(query | form))
    asked = wire.decode_request(request, hand.apps())
    assert asked == wire.Asked(method, hand.APP_ID, biz, "http://app/n")


@pytest.mark.parametrize("method", ASKED)
def test_a_request_is_read_from_a_form_signed_by_hand(method: str) -> None:
    biz, by_hand = ASKED[method]
    request = hand.gateway(hand.params_of(method, {**by_hand, "new": [1]}, format="json"))
    assert wire.decode_request(request, hand.apps()) == wire.Asked(method, hand.APP_ID, biz, "")


def test_a_request_of_the_official_sdk_is_read() -> None:
    asked = wire.decode_request(hand.golden_request("official_request", "app"), hand.apps())
    biz = trade.Pay(
        out_trade_no="o-1", total_amount="100.00", subject="茶 & milk + 100%",
        auth_code="28763443825664394", scene="bar_code",
    )  # fmt: skip
    url = "http://127.0.0.1:8099/n?a=1&b"
    assert asked == wire.Asked("alipay.trade.pay", hand.APP_ID, biz, url)


def test_a_request_of_the_community_sdk_is_read() -> None:
    asked = wire.decode_request(hand.golden_request("community_request", "app"), hand.apps())
    biz = trade.Precreate(out_trade_no="o-1", total_amount=12.5, subject="tea")
    assert asked == wire.Asked("alipay.trade.precreate", hand.APP_ID, biz, "")


def test_an_order_is_signed_for_the_users_client_and_read_by_it() -> None:
    order = wire.sign_order(hand.at(), ORDER, hand.TIME, "http://app/n")
    told = dict(parse_qsl(order, strict_parsing=True))
    assert list(told) == sorted(told)
    signature = told.pop("sign")
    assert signature == hand.sign("app", hand.canonical(told))
    assert told["method"] == "alipay.trade.app.pay"
    request = wire.submit(hand.at(), order, "ada & bob", "card").request
    asked = wire.Asked("alipay.trade.app.pay", hand.APP_ID, ORDER, "http://app/n")
    assert wire.decode_request(request, hand.apps()) == wire.Submitted("ada & bob", "card", asked)


def test_a_qr_code_is_submitted_as_its_text() -> None:
    text = wire.QR_PREFIX + "bax00005qwnxrwhsznnr603d"
    request = wire.submit(hand.at(), text, "ada", "card").request
    assert wire.decode_request(request, hand.apps()) == wire.Submitted("ada", "card", text)


PAY, FIND = "alipay.trade.precreate", "alipay.trade.query"
GOOD = {"out_trade_no": "o-1", "total_amount": "12.50", "subject": "tea"}


UNFIT = [
    ("isv.missing-method", hand.params_of(PAY, GOOD, method=None)),
    ("isv.missing-app-id", hand.params_of(PAY, GOOD, app_id=None)),
    ("isv.invalid-app-id", hand.params_of(PAY, GOOD, app_id="2021000000000009")),
    ("isv.invalid-app-id", hand.params_of(PAY, GOOD, app_id="9", sign=None)),
    ("isv.missing-timestamp", hand.params_of(PAY, GOOD, timestamp=None)),
    ("isv.missing-version", hand.params_of(PAY, GOOD, version=None)),
    ("isv.missing-signature-type", hand.params_of(PAY, GOOD, sign_type=None)),
    ("isv.missing-signature", hand.params_of(PAY, GOOD, sign=None)),
    ("isv.invalid-signature-type", hand.params_of(PAY, GOOD, sign_type="RSA")),
    ("isv.invalid-charset", hand.params_of(PAY, GOOD, charset="GBK")),
    ("isv.invalid-signature", hand.params_of(PAY, GOOD, "alipay")),
    ("isv.invalid-signature", hand.params_of(PAY, GOOD, sign="AAAA")),
    ("isv.invalid-signature", {**hand.params_of(PAY, GOOD), "version": "1.1"}),
    ("isv.invalid-signature", {**hand.params_of(PAY, GOOD), "new": "1"}),
    ("isv.invalid-method", hand.params_of("alipay.trade.nothing", GOOD)),
    ("isv.invalid-method", hand.params_of("alipay.trade.app.pay", GOOD)),
    ("isv.invalid-format", hand.params_of(PAY, GOOD, format="XML")),
    ("isv.invalid-timestamp", hand.params_of(PAY, GOOD, timestamp="2026-11-23T16:05:09")),
    ("isv.invalid-timestamp", hand.params_of(PAY, GOOD, timestamp="2026-02-30 16:05:09")),
    ("isv.invalid-parameter", hand.params_of(PAY, GOOD, notify_url="app/notices")),
    ("isv.invalid-parameter", hand.params_of(PAY, GOOD, notify_url="file:///etc/hosts")),
    ("isv.invalid-parameter", hand.params_of(PAY, GOOD, notify_url="http://app:99999/n")),
    ("isv.illegal-json", hand.params_of(PAY, "{")),
    ("isv.illegal-json", hand.params_of(PAY, "{" + "[" * 5000)),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, GOOD, biz_content=None)),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, "[]")),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "out_trade_no": 1})),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "out_trade_no": ""})),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "out_trade_no": "o" * 65})),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "subject": ""})),
    ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "subject": "茶" * 257})),
    ("ACQ.INVALID_PARAMETER", hand.params_of(FIND, {})),
    ("ACQ.INVALID_PARAMETER", hand.params_of("alipay.trade.pay", {**GOOD, "auth_code": ""})),
    ("ACQ.INVALID_PARAMETER", hand.params_of("alipay.trade.refund", {"out_trade_no": "o-1"})),
    *[
        ("ACQ.INVALID_PARAMETER", hand.params_of(PAY, {**GOOD, "total_amount": amount}))
        for amount in (
            "0",
            "0.00",
            "-1",
            "1.234",
            "1e3",
            "\u0661",
            "",
            " 1",
            "1,00",
            0,
            0.001,
            True,
            None,
            1e9,
        )
    ],
]


@pytest.mark.parametrize(("sub_code", "params"), UNFIT)
def test_an_unfit_request_is_refused_as_the_documents_say(
    sub_code: str, params: dict[str, str]
) -> None:
    asked = wire.decode_request(hand.gateway(params), hand.apps())
    assert isinstance(asked, wire.Refused)
    assert asked.why.sub_code == sub_code
    code = {"isv.m": "40001", "isv.i": "40002", "ACQ.I": "40004"}[sub_code[:5]]
    status, _, body = wire.encode_reply(asked, asked.why, hand.private_pem("alipay"))
    told = json.loads(body)
    (inner,) = [node for name, node in told.items() if name != "sign"]
    assert (status, inner["code"], inner["sub_code"]) == (200, code, sub_code)
    assert ("sign" in told) is (params.get("app_id") == hand.APP_ID)


def test_only_what_looks_like_a_method_is_repeated() -> None:
    for method, name in [("alipay.trade.nothing", "alipay_trade_nothing_response"),
                         ('x":{},"sign":"', "error_response")]:  # fmt: skip
        asked = wire.decode_request(hand.gateway(hand.params_of(method, {})), hand.apps())
        assert isinstance(asked, wire.Refused)
        told = json.loads(wire.encode_reply(asked, asked.why, hand.private_pem("alipay"))[2])
        assert list(told) == [name, "sign"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("POST", "/gateway"), ("GET", "/client/pay"), ("PUT", "/gateway.do"),
     ("POST", "/_keys")],
)  # fmt: skip
def test_another_path_is_not_on_this_wire(method: str, path: str) -> None:
    request = httpx.Request(method, f"http://pay/alipay-ai{path}")
    assert wire.decode_request(request, hand.apps()) == wire.NoSuchPath()
    assert wire.encode_no_such_path()[0] == 404


bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["app_id", "method", "sign", "biz_content", "timestamp", "sign_type"]),
        st.sampled_from([hand.APP_ID, *trade.METHODS, "RSA2", "{}", "1.0", hand.TIME, "\x00é"]),
    ).map(lambda params: "&".join(f"{n}={v}" for n, v in params.items()).encode()),
)


queries = st.text("abc019%&=+./_-", max_size=60).map(str.encode)


@given(st.sampled_from(["/gateway.do", "/client/pay"]), queries, bodies)
@settings(max_examples=50)
def test_no_request_raises(path: str, query: bytes, body: bytes) -> None:
    url = httpx.URL(f"http://pay/alipay-ai{path}").copy_with(query=query)
    request = httpx.Request("POST", url, content=body)
    asked = wire.decode_request(request, hand.apps())
    assert isinstance(asked, wire.Refused | wire.Submitted)


# Answers


def decoded(call: Ask, body: bytes) -> trade.Reply | trade.Refusal:
    return call.decode(200, HEADERS, body)


ASK = wire.ask(hand.at(), QUERY, hand.TIME)
REFUND = wire.ask(hand.at(), ASKED["alipay.trade.refund"][0], hand.TIME)
PRECREATE = wire.ask(hand.at(), ASKED["alipay.trade.precreate"][0], hand.TIME)
SUBMIT = wire.submit(hand.at(), "order", "ada", "card")

ANSWERS: list[tuple[str, Ask, dict[str, str]]] = [
    ("query_paid", ASK,
     {"trade_status": "TRADE_SUCCESS", "total_amount": "12.50", "charge_amount": "0.05",
      "send_pay_date": "2018-02-09 10:31:45", "trade_no": "2018020921001004160275738069"}),
    ("query_closed_sign_first", ASK, {"trade_status": "TRADE_CLOSED", "total_amount": "100.00"}),
    ("query_not_exist_spaced", ASK, {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}),
    ("refund_with_certificate", REFUND, {"fund_change": "Y", "refund_fee": "5.00"}),
    ("precreate_escaped", PRECREATE, {"qr_code": "https://qr.alipay.com/bax00005qwnxrwhsznnr603d"}),
    ("app_pay_done", SUBMIT, {"total_amount": "0.01", "seller_id": "2088702849871851"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "fields"), ANSWERS, ids=[name for name, *_ in ANSWERS])
def test_an_answer_is_read_from_foreign_bytes(name: str, call: Ask, fields: dict[str, str]) -> None:
    told = decoded(call, hand.golden_answer(name).body)
    assert {field: getattr(told, field) for field in fields} == fields


@pytest.mark.parametrize(("name", "call", "fields"), ANSWERS, ids=[name for name, *_ in ANSWERS])
def test_an_answer_of_which_any_byte_was_changed_is_not_believed(
    name: str, call: Ask, fields: dict[str, str]
) -> None:
    body = hand.golden_answer(name).body
    changed = body.replace(b"o-1", b"o-2").replace(b"12.50", b"12.51").replace(b'"5.00"', b'"9.00"')
    for forged in (changed, body.replace(b'"code"', b' "code"').replace(b'\\"code', b' \\"code')):
        assert forged != body
        with pytest.raises(Malformed):
            decoded(call, forged)
    unsigned = read(f"alipay/{name}.http").body
    with pytest.raises(Malformed, match="not signed"):
        decoded(call, unsigned)


def test_an_answer_of_another_trade_is_not_believed() -> None:
    node = '{"code":"10000","msg":"Success","out_trade_no":"o-2","trade_status":"TRADE_SUCCESS"}'
    with pytest.raises(Malformed, match="another trade"):
        decoded(ASK, hand.answer_of("alipay.trade.query", node))


@pytest.mark.parametrize(
    ("name", "call", "fault"),
    [
        ("invalid_app_id", ASK, Unauthorized),
        ("invalid_signature", ASK, Unauthorized),
        ("unavailable", ASK, Overloaded),
        ("call_limited", ASK, RateLimited),
        ("app_pay_failed", SUBMIT, Unauthorized),
    ],
)
def test_a_failed_call_is_a_fault_whoever_signed_it(
    name: str, call: Ask, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault) as caught:
        decoded(call, read(f"alipay/{name}.http").body)
    assert type(caught.value) is fault


NODES = [
    ("40001 isv.missing-version", Malformed),
    ("40001 isv.missing-signature", Unauthorized),
    ("40002 isv.illegal-json", Malformed),
    ("40003 isv.missing-signature-config", Unauthorized),
    ("40004 ACQ.SYSTEM_ERROR", Overloaded),
    ("40006 isv.insufficient-isv-permissions", Unauthorized),
    ("20001 aop.invalid-auth-token", Unauthorized),
    ("20000 aop.unknow-error", Overloaded),
    ("1 x", Malformed),
]


@pytest.mark.parametrize(("told", "fault"), NODES)
def test_each_public_code_is_its_fault(told: str, fault: type[ProviderFault]) -> None:
    code, sub_code = told.split()
    node = json.dumps({"code": code, "msg": "m", "sub_code": sub_code, "sub_msg": "secret"})
    with pytest.raises(fault, match=told) as caught:
        decoded(ASK, hand.answer_of("alipay.trade.query", node))
    assert type(caught.value) is fault
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("why", "status", "body", "fault"),
    [
        ("away", 503, b"<html>", Overloaded),
        ("too often", 429, b"", RateLimited),
        ("not found", 404, b"", Malformed),
        ("no JSON", 200, b"<html>", Malformed),
        ("no object", 200, b"[]", Malformed),
        ("no inner object", 200, b'{"sign":"x"}', Malformed),
        ("another's", 200, hand.answer_of("alipay.trade.pay", '{"code":"10000"}'), Malformed),
        ("no code", 200, hand.answer_of("alipay.trade.query", '{"msg":"Success"}'), Malformed),
        ("no words", 200, hand.answer_of("alipay.trade.query", '{"code":"10000"}'), Malformed),
        ("no status", 200, hand.answer_of("alipay.trade.query",
         '{"code":"10000","msg":"Success","trade_status":"TRADE_LOST"}'), Malformed),
        ("no money", 200, hand.answer_of("alipay.trade.query",
         '{"code":"10000","msg":"Success","charge_amount":"0.5"}'), Malformed),
        ("sign is no text", 200,
         b'{"alipay_trade_query_response":{"code":"10000","msg":"m"},"sign":1}', Malformed),
    ],
)  # fmt: skip
def test_an_answer_that_the_wire_does_not_allow_is_a_fault(
    why: str, status: int, body: bytes, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault) as caught:
        ASK.decode(status, HEADERS, body)
    assert type(caught.value) is fault


@pytest.mark.parametrize(
    ("status", "result", "fault"),
    [
        ("6001", "", Unreachable),
        ("6002", "", Unreachable),
        ("8000", "", Unreachable),
        ("9000", "{}", Malformed),
    ],
)
def test_a_client_that_does_not_know_the_end_leaves_it_open(
    status: str, result: str, fault: type[ProviderFault]
) -> None:
    body = json.dumps({"resultStatus": status, "result": result, "memo": ""}).encode()
    with pytest.raises(fault):
        decoded(SUBMIT, body)


@given(st.integers(100, 599), st.binary(max_size=100))
@settings(max_examples=50)
def test_no_answer_raises_anything_but_a_provider_fault(status: int, body: bytes) -> None:
    for call in (ASK, SUBMIT, wire.fetch_keys("http://pay/alipay-ai")):
        with pytest.raises(ProviderFault):
            call.decode(status, HEADERS, body)


REPLY = trade.Reply(code="10000", msg="Success", out_trade_no="o-1", total_amount="12.50")
REFUSAL = trade.refusal("ACQ.TRADE_NOT_EXIST", "why", "o-1")


@pytest.mark.parametrize("reply", [REPLY, REFUSAL])
def test_an_answer_is_written_as_the_app_reads_it(reply: trade.Reply | trade.Refusal) -> None:
    asked = wire.Asked("alipay.trade.query", hand.APP_ID, QUERY, "")
    status, headers, body = wire.encode_reply(asked, reply, hand.private_pem("alipay"))
    node = body.decode().removeprefix('{"alipay_trade_query_response":').partition(',"sign":"')[0]
    assert json.loads(body)["sign"] == hand.sign("alipay", node)
    assert (status, headers["content-type"]) == (200, "text/html;charset=utf-8")
    assert decoded(ASK, body) == reply


@pytest.mark.parametrize(("reply", "ends"), [(REPLY, "9000"), (REFUSAL, "4000")])
def test_a_clients_result_is_written_as_the_app_reads_it(
    reply: trade.Reply | trade.Refusal, ends: str
) -> None:
    submitted = wire.Submitted("ada", "card", "qr")
    _, _, body = wire.encode_reply(submitted, reply, hand.private_pem("alipay"))
    told = json.loads(body)
    assert (told["resultStatus"], told["memo"]) == (ends, "")
    assert list(json.loads(told["result"])) == [
        "alipay_trade_app_pay_response",
        "sign",
        "sign_type",
    ]
    assert decoded(SUBMIT, body) == reply


@pytest.mark.parametrize(
    ("why", "fault"), [("rate_limited", RateLimited), ("overloaded", Overloaded)]
)
def test_who_is_turned_away_reads_it_as_that(why: wire.Turned, fault: type[ProviderFault]) -> None:
    calls: list[tuple[wire.Asked | wire.Submitted | wire.Refused, Ask]] = [
        (wire.Asked("alipay.trade.query", hand.APP_ID, QUERY, ""), ASK),
        (wire.Submitted("ada", "card", "qr"), SUBMIT),
        (wire.Refused(REFUSAL, "alipay.trade.query", False, False), ASK),
    ]
    for to, call in calls:
        status, _, body = wire.encode_turned(to, why, hand.private_pem("alipay"))
        assert status == 200
        with pytest.raises(fault) as caught:
            decoded(call, body)
        assert type(caught.value) is fault


def test_keys_are_told_and_never_printed() -> None:
    keys = wire.Keys("app", "-----secret-----", "public")
    call = wire.fetch_keys("http://pay/alipay-ai")
    assert str(call.request.url) == "http://pay/alipay-ai/_keys"
    assert wire.decode_request(call.request, {}) == wire.KeysRequest()
    status, _, body = wire.encode_keys(keys)
    assert call.decode(status, HEADERS, body) == keys
    assert "secret" not in repr(keys)


# Notices


def test_a_notice_of_a_payment_is_read_from_foreign_bytes() -> None:
    request = hand.golden_request("notice_paid", "alipay", ("sign", "sign_type"))
    told = wire.decode_notice(hand.at(), request)
    assert told is not None
    assert (told.notify_id, told.trade_status) == (
        "2023081301222201453021210500665651", "TRADE_SUCCESS"
    )  # fmt: skip
    assert (told.total_amount, told.charge_amount, told.refund_fee) == ("20.00", "0.08", "")
    assert told.subject == "商城 & 100%"


def test_a_notice_of_a_refund_is_read_from_foreign_bytes() -> None:
    request = hand.golden_request("notice_refunded", "alipay", ("sign", "sign_type"))
    told = wire.decode_notice(hand.at(), request)
    assert told is not None
    assert (told.trade_status, told.refund_fee, told.out_biz_no) == ("TRADE_CLOSED", "20.00", "r-1")


NOTICE = trade.Notice(
    notify_id="n-1", app_id=hand.APP_ID, out_trade_no="o-1", trade_no="t-1",
    trade_status="TRADE_SUCCESS", total_amount="12.50", seller_id="tea", subject="茶 & 100% +",
)  # fmt: skip


def test_a_notice_is_written_as_the_app_reads_it() -> None:
    request = wire.encode_notice("http://app/n?x=1", NOTICE, hand.TIME, hand.private_pem("alipay"))
    told = dict(parse_qsl(request.content.decode(), strict_parsing=True))
    signature, sign_type = told.pop("sign"), told.pop("sign_type")
    assert (sign_type, signature) == ("RSA2", hand.sign("alipay", hand.canonical(told)))
    assert told["notify_time"] == hand.TIME
    assert str(request.url) == "http://app/n?x=1"
    read_back = wire.decode_notice(hand.at(), request)
    assert read_back is not None
    assert (read_back.notify_id, read_back.subject) == ("n-1", "茶 & 100% +")


Spoil = Callable[[dict[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    ("why", "spoil"),
    [
        ("another amount", lambda told: {**told, "total_amount": "0.01"}),
        ("a field more", lambda told: {**told, "new": "1"}),
        ("a field less", lambda told: {n: v for n, v in told.items() if n != "subject"}),
        ("no signature", lambda told: {n: v for n, v in told.items() if n != "sign"}),
        ("signed by an app", lambda told: {**told, "sign": hand.sign("app", _told(told))}),
        ("another app", lambda told: _signed({**told, "app_id": "2021"})),
        ("no order", lambda told: _signed({**told, "out_trade_no": ""})),
        ("no status", lambda told: _signed({**told, "trade_status": "TRADE_LOST"})),
        ("no money", lambda told: _signed({**told, "charge_amount": "1e3"})),
    ],
)
def test_a_notice_that_was_not_signed_as_it_is_is_none(why: str, spoil: Spoil) -> None:
    request = wire.encode_notice("http://app/n", NOTICE, hand.TIME, hand.private_pem("alipay"))
    told = spoil(dict(parse_qsl(request.content.decode())))
    forged = httpx.Request("POST", "http://app/n", data=told)
    assert wire.decode_notice(hand.at(), forged) is None


@given(st.binary(max_size=200))
@settings(max_examples=30)
def test_no_delivery_raises(body: bytes) -> None:
    request = httpx.Request("POST", "http://app/n", content=body)
    assert wire.decode_notice(hand.at(), request) is None


@pytest.mark.parametrize(
    ("status", "body", "taken"),
    [(200, b"success", True), (200, b"success\n", True), (200, b"SUCCESS", False),
     (200, b"failure", False), (200, b"", False), (500, b"success", False),
     (302, b"success", False)],
)  # fmt: skip
def test_nothing_but_the_word_success_is_a_receipt(status: int, body: bytes, taken: bool) -> None:
    assert wire.is_receipt(httpx.Response(status, content=body)) is taken
    if status == 200:
        assert wire.is_receipt(wire.encode_receipt(taken)) is taken


# Amounts and times


@given(st.integers(0, 99_999_999_999))
@settings(max_examples=50)
def test_an_amount_goes_from_fen_to_yuan_and_back(amount_minor: int) -> None:
    assert trade.minor(trade.yuan(amount_minor)) == amount_minor


@pytest.mark.parametrize(
    ("amount", "amount_minor"),
    [
        ("0.01", 1),
        ("12.5", 1250),
        ("12.50", 1250),
        ("100", 10_000),
        (7, 700),
        (0.1, 10),
        (88.8, 8880),
    ],
)
def test_an_amount_is_read_as_the_real_gateway_does(
    amount: trade.Amount, amount_minor: int
) -> None:
    assert trade.minor(amount) == amount_minor


@pytest.mark.parametrize(
    ("unix_s", "told"),
    [(0.0, "1970-01-01 08:00:00"), (1_795_392_000.999, "2026-11-23 08:00:00"),
     (1_795_449_599.0, "2026-11-23 23:59:59"), (1_795_449_600.0, "2026-11-24 00:00:00")],
)  # fmt: skip
def test_times_are_those_of_beijing(unix_s: float, told: str) -> None:
    assert trade.beijing(unix_s) == told
    assert trade.is_time(told)


def _told(told: dict[str, str]) -> str:
    return hand.canonical({n: v for n, v in told.items() if n not in ("sign", "sign_type")})


def _signed(told: dict[str, str]) -> dict[str, str]:
    return {**told, "sign": hand.sign("alipay", _told(told))}
