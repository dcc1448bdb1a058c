"""Alipay's OpenAPI v3 in both roles, against the official SDK's bytes and text signed by hand."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import alipay_v3 as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import (
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from tests.providers import alipay_by_hand as hand
from tests.providers.foreign import FOLDER, read

AT_MS = 1_795_449_909_000
NONCE = "6ba7b8109dad11d180b400c04fd430c8"
QUERY = trade.Query(out_trade_no="o-1")
ORDER = trade.Precreate(
    out_trade_no="o-1", total_amount="12.50", subject="茶 & milk", product_code="QR_CODE_OFFLINE"
)
ASKED: dict[str, tuple[trade.Biz, dict[str, str]]] = {
    "precreate": (
        ORDER,
        {
            "out_trade_no": "o-1",
            "total_amount": "12.50",
            "subject": "茶 & milk",
            "product_code": "QR_CODE_OFFLINE",
        },
    ),
    "query": (QUERY, {"out_trade_no": "o-1"}),
    "close": (trade.Close(trade_no="2026"), {"trade_no": "2026"}),
    "cancel": (trade.Cancel(out_trade_no="o-1"), {"out_trade_no": "o-1"}),
    "refund": (
        trade.Refund(refund_amount="1.00", out_trade_no="o-1", out_request_no="r-1"),
        {"refund_amount": "1.00", "out_trade_no": "o-1", "out_request_no": "r-1"},
    ),
    "fastpay/refund/query": (
        trade.RefundQuery(out_request_no="r-1", out_trade_no="o-1"),
        {"out_request_no": "r-1", "out_trade_no": "o-1"},
    ),
}
Answer = trade.Reply | trade.Refusal


def golden_key(name: str) -> str:
    return (FOLDER / "alipay_v3" / f"{name}.pem").read_text()


def request_of(
    path: str = "/v3/alipay/trade/query",
    body: str = '{"out_trade_no":"o-1"}',
    owner: str = "app",
    auth: str = f"app_id={hand.APP_ID},nonce={NONCE},timestamp={AT_MS}",
    sign: str | None = None,
    scheme: str = wire.SCHEME,
) -> httpx.Request:
    made = hand.sign(owner, f"{auth}\nPOST\n{path}\n{body}\n") if sign is None else sign
    headers = {"authorization": f"{scheme} {auth},sign={made}"}
    url = f"http://pay/alipay-v3{path}"
    return httpx.Request("POST", url, headers=headers, content=body.encode())


def signed(body: str, owner: str = "alipay", over: str | None = None) -> httpx.Headers:
    text = f"1732435509000\n{NONCE}\n{body if over is None else over}\n"
    return httpx.Headers(
        {
            "alipay-timestamp": "1732435509000",
            "alipay-nonce": NONCE,
            "alipay-signature": hand.sign(owner, text),
        }
    )


def decoded(
    body: str, status: int = 200, headers: httpx.Headers | None = None, biz: trade.Biz = QUERY
) -> Answer:
    call = wire.ask(hand.at(), biz, AT_MS, NONCE)
    return call.decode(status, signed(body) if headers is None else headers, body.encode())


# Requests


@pytest.mark.parametrize("method", ASKED)
def test_a_request_is_signed_over_its_own_bytes_and_read_again(method: str) -> None:
    biz, by_hand = ASKED[method]
    request = wire.ask(hand.at(), biz, AT_MS, NONCE).request
    path = f"/v3/alipay/trade/{method}"
    assert (request.method, request.url.path) == ("POST", f"/alipay-ai{path}")
    assert json.loads(request.content) == by_hand
    auth = f"app_id={hand.APP_ID},nonce={NONCE},timestamp={AT_MS}"
    sign = hand.textbook("app", f"{auth}\nPOST\n{path}\n{request.content.decode()}\n")
    assert request.headers["authorization"] == f"ALIPAY-SHA256withRSA {auth},sign={sign}"
    assert request.headers["alipay-request-id"] == NONCE
    assert request.headers["content-type"].startswith("application/json")
    assert wire.decode_request(request, hand.apps(), AT_MS) == wire.Asked(hand.APP_ID, biz)


def test_a_request_of_the_official_sdk_is_read_with_its_own_signature() -> None:
    request = read("alipay_v3/request_node_sdk.http").request
    apps = {"2021000000000001": golden_key("app_public_key")}
    sent_ms = int(request.headers["authorization"].partition("timestamp=")[2][:13])
    asked = wire.decode_request(request, apps, sent_ms)
    assert asked == wire.Asked("2021000000000001", ORDER)
    for late_ms, code in ((600_000, ""), (600_001, "invalid-timestamp")):
        told = wire.decode_request(request, apps, sent_ms + late_ms)
        assert (told.code if isinstance(told, wire.Problem) else "") == code


def test_the_order_of_what_is_signed_and_what_is_new_in_it_do_not_matter() -> None:
    auth = f"timestamp={AT_MS},app_id={hand.APP_ID},nonce=n-1,expired_seconds=120"
    assert wire.decode_request(request_of(auth=auth), hand.apps(), AT_MS) == wire.Asked(
        hand.APP_ID, QUERY
    )


AUTH = f"app_id={hand.APP_ID},nonce={NONCE}"
UNFIT = {
    "no header": (httpx.Request("POST", "http://pay/v3/alipay/trade/query"), "missing-timestamp"),
    "of v2": (request_of(scheme="Bearer"), "missing-timestamp"),
    "no time": (request_of(auth=AUTH), "missing-timestamp"),
    "seconds": (request_of(auth=f"{AUTH},timestamp=1795449909"), "invalid-timestamp"),
    "long ago": (request_of(auth=f"{AUTH},timestamp={AT_MS - 600_001}"), "invalid-timestamp"),
    "in future": (request_of(auth=f"{AUTH},timestamp={AT_MS + 600_001}"), "invalid-timestamp"),
    "no app": (request_of(auth=f"nonce=n,timestamp={AT_MS}"), "missing-app-id"),
    "another app": (request_of(auth=f"app_id=9,nonce=n,timestamp={AT_MS}"), "invalid-app-id"),
    "no nonce": (request_of(auth=f"app_id={hand.APP_ID},timestamp={AT_MS}"), "missing-nonce"),
    "no signature": (request_of(sign=""), "missing-signature"),
    "a stranger's": (request_of(owner="alipay"), "invalid-signature"),
    "no base64": (request_of(sign="x"), "invalid-signature"),
    "no JSON": (request_of(body="{"), "illegal-json"),
    "too deep": (request_of(body='{"x":' + "[" * 5000), "illegal-json"),
    "no object": (request_of(body="[]"), "ACQ.INVALID_PARAMETER"),
    "nothing": (request_of(body=""), "ACQ.INVALID_PARAMETER"),
    "no amount": (
        request_of("/v3/alipay/trade/refund", '{"out_trade_no":"o","refund_amount":"0"}'),
        "ACQ.INVALID_PARAMETER",
    ),
}


@pytest.mark.parametrize("why", UNFIT)
def test_an_unfit_request_is_refused_unsigned(why: str) -> None:
    request, code = UNFIT[why]
    told = wire.decode_request(request, hand.apps(), AT_MS)
    assert isinstance(told, wire.Problem)
    assert (told.status, told.code) == (400, code)
    status, headers, body = wire.encode_reply(told, hand.private_pem("alipay"), AT_MS, NONCE)
    assert (status, json.loads(body)["code"]) == (400, code)
    assert "alipay-signature" not in headers


def test_a_body_that_was_changed_on_its_way_fails_its_signature() -> None:
    request = request_of()
    changed = httpx.Request(
        "POST", request.url, headers=request.headers, content=request.content + b" "
    )
    told = wire.decode_request(changed, hand.apps(), AT_MS)
    assert isinstance(told, wire.Problem)
    assert told.code == "invalid-signature"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/alipay/trade/query"),
        ("POST", "/v3/alipay/trade/pay"),
        ("POST", "/v3/alipay/trade/query/"),
        ("POST", "/gateway.do"),
        ("POST", "/_keys"),
    ],
)
def test_another_path_is_not_on_this_wire(method: str, path: str) -> None:
    request = httpx.Request(method, f"http://pay/alipay-v3{path}")
    assert wire.decode_request(request, hand.apps(), AT_MS) == wire.NoSuchPath()
    assert wire.encode_no_such_path()[0] == 404


@given(
    st.sampled_from([*wire.METHODS, "/client/pay", "/_keys"]),
    st.text("abc=,.019 Z-", max_size=60),
    st.binary(max_size=80),
)
@settings(max_examples=50)
def test_no_request_raises(path: str, header: str, body: bytes) -> None:
    headers = {"authorization": f"{wire.SCHEME} {header}"}
    request = httpx.Request("POST", f"http://pay{path}", headers=headers, content=body)
    wire.decode_request(request, hand.apps(), AT_MS)


# Answers


def test_an_answer_that_the_official_sdk_takes_is_taken_and_no_other() -> None:
    foreign = read("alipay_v3/precreated.http")
    at = Endpoint("http://pay", hand.private_pem("app"), "2021", golden_key("alipay_public_key"))
    call = wire.ask(at, ORDER, AT_MS, NONCE)
    told = call.decode(foreign.status, foreign.headers, foreign.body)
    assert isinstance(told, trade.Reply)
    assert told.qr_code == "https://qr.alipay.com/bax00005qwnxrwhsznnr603d"
    for forged in (foreign.body + b" ", foreign.body.replace(b"603d", b"603e")):
        with pytest.raises(Malformed, match="not signed"):
            call.decode(200, foreign.headers, forged)


GOOD = '{"out_trade_no":"o-1","trade_status":"TRADE_SUCCESS","total_amount":"12.50","new":[1]}'


@pytest.mark.parametrize(
    "headers",
    [httpx.Headers(), signed(GOOD, "a stranger"), signed(GOOD, over=GOOD + " ")],
    ids=["unsigned", "a stranger's", "over other bytes"],
)
def test_a_good_answer_must_be_signed(headers: httpx.Headers) -> None:
    with pytest.raises(Malformed, match="not signed"):
        decoded(GOOD, headers=headers)
    assert isinstance(decoded(GOOD), trade.Reply)


def test_an_answer_of_another_trade_is_not_believed() -> None:
    with pytest.raises(Malformed, match="another trade"):
        decoded(GOOD.replace("o-1", "o-2"))


def test_a_refusal_needs_no_signature_but_may_not_have_a_bad_one() -> None:
    foreign = read("alipay_v3/not_exist.http")
    body = foreign.body.decode()
    for headers in (foreign.headers, signed(body)):
        told = decoded(body, foreign.status, headers)
        assert isinstance(told, trade.Refusal)
        assert (told.code, told.sub_code) == ("40004", "ACQ.TRADE_NOT_EXIST")
    with pytest.raises(Malformed, match="not signed"):
        decoded(body, 400, signed(body, "a stranger"))


FAULTS: list[tuple[int, str, type[ProviderFault]]] = [
    (400, "missing-timestamp", Malformed),
    (400, "invalid-parameter", Malformed),
    (400, "invalid-app-id", Unauthorized),
    (400, "isv.invalid-signature", Unauthorized),
    (401, "anything", Unauthorized),
    (401, "insufficient-isv-permissions", Unauthorized),
    (403, "access-forbidden", Unauthorized),
    (404, "not-found", Malformed),
    (429, "app-call-limited", RateLimited),
    (400, "method-call-limited", RateLimited),
    (500, "unknow-error", Overloaded),
    (400, "unknow-error", Overloaded),
    (400, "ACQ.SYSTEM_ERROR", Overloaded),
    (400, "AQC.SYSTEM_ERROR", Overloaded),
    (502, "ACQ.TRADE_NOT_EXIST", Overloaded),
]


@pytest.mark.parametrize(("status", "code", "fault"), FAULTS)
def test_each_error_is_its_fault(status: int, code: str, fault: type[ProviderFault]) -> None:
    body = json.dumps({"code": code, "message": "secret", "links": []})
    with pytest.raises(fault, match=code) as caught:
        decoded(body, status, httpx.Headers())
    assert type(caught.value) is fault
    assert caught.value.status == status
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (202, "{}", Overloaded),
        (302, "", Malformed),
        (204, "", Malformed),
        (503, "<html>", Overloaded),
        (404, "", Malformed),
        (400, "[]", Malformed),
        (200, "", Malformed),
        (200, "[]", Malformed),
        (200, '{"trade_status":"TRADE_LOST"}', Malformed),
        (200, '{"charge_amount":"0.5"}', Malformed),
    ],
)
def test_an_answer_that_the_wire_does_not_allow_is_a_fault(
    status: int, body: str, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault) as caught:
        decoded(body, status, signed(body))
    assert type(caught.value) is fault


@given(st.integers(100, 599), st.binary(max_size=100))
@settings(max_examples=50)
def test_no_answer_raises_anything_but_a_provider_fault(status: int, body: bytes) -> None:
    calls = (wire.ask(hand.at(), QUERY, AT_MS, NONCE), wire.fetch_keys("http://pay"))
    for call in calls:
        with pytest.raises(ProviderFault):
            call.decode(status, httpx.Headers(), body)


@pytest.mark.parametrize(
    "reply",
    [
        trade.Reply(code="10000", msg="Success", out_trade_no="o-1", total_amount="12.50"),
        trade.refusal("ACQ.TRADE_NOT_EXIST", "why"),
    ],
)
def test_an_answer_is_written_as_the_app_reads_it(reply: Answer) -> None:
    status, headers, body = wire.encode_reply(reply, hand.private_pem("alipay"), AT_MS, NONCE)
    text = f"{AT_MS}\n{NONCE}\n{body.decode()}\n"
    assert headers["alipay-signature"] == hand.textbook("alipay", text)
    assert "msg" not in json.loads(body)
    assert decoded(body.decode(), status, httpx.Headers(headers)) == reply


def test_the_sandbox_is_where_the_documents_say() -> None:
    sandbox = "openapi-sandbox.dl.alipaydev.com"
    assert sandbox in wire.HOSTS
    at = Endpoint(f"https://{sandbox}", hand.private_pem("app"), "2021", "")
    url = str(wire.ask(at, QUERY, AT_MS, NONCE).request.url)
    assert urlsplit(url)[:3] == ("https", sandbox, "/v3/alipay/trade/query")
