"""UnionPay's gateway in both roles, against the test gateway's bytes and what is signed by hand."""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import unionpay as wire
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from harness.providers.unionpay import message
from harness.providers.unionpay.transactions import (
    REFUND,
    UNDO,
    Asked,
    Back,
    NewOrder,
    Query,
    order_id,
)
from tests.providers import alipay_by_hand as rsa_by_hand
from tests.providers import unionpay_by_hand as hand
from tests.providers.foreign import read

HEADERS = httpx.Headers()
QUERY_ID = "781611230800000000018"
ORDER = NewOrder(hand.ORDER_NO, hand.AT, 1, "156", "20261123081500")
QUERY = Query(hand.ORDER_NO, hand.AT)
COMMON = {
    "version": "5.1.0",
    "encoding": "UTF-8",
    "signMethod": "01",
    "accessType": "0",
    "merId": hand.MER_ID,
    "certId": hand.CERT_ID,
    "orderId": hand.ORDER_NO,
    "txnTime": hand.AT,
}
NOWHERE = "https://example.com/unionpay"
ASKED: dict[str, tuple[str, Asked, dict[str, str]]] = {
    "order": (
        "appTransReq",
        ORDER,
        {
            "txnType": "01",
            "txnSubType": "01",
            "bizType": "000201",
            "channelType": "08",
            "txnAmt": "1",
            "currencyCode": "156",
            "payTimeout": "20261123081500",
            "backUrl": NOWHERE,
        },
    ),
    "query": (
        "queryTrans",
        QUERY,
        {"txnType": "00", "txnSubType": "00", "bizType": "000000"},
    ),
    "undo": (
        "backTransReq",
        Back(UNDO, hand.ORDER_NO, hand.AT, 1, QUERY_ID),
        {
            "txnType": "31",
            "txnSubType": "00",
            "bizType": "000201",
            "channelType": "08",
            "txnAmt": "1",
            "origQryId": QUERY_ID,
            "backUrl": NOWHERE,
        },
    ),
    "refund": (
        "backTransReq",
        Back(REFUND, hand.ORDER_NO, hand.AT, 250, QUERY_ID),
        {
            "txnType": "04",
            "txnSubType": "00",
            "bizType": "000201",
            "channelType": "08",
            "txnAmt": "250",
            "origQryId": QUERY_ID,
            "backUrl": NOWHERE,
        },
    ),
}
MERCHANTS = {hand.MER_ID: wire.Merchant(hand.CERT_ID, rsa_by_hand.public_pem("merchant"))}


def decoded(asked: Asked, body: bytes, status: int = 200) -> wire.Reply:
    return wire.ask(hand.at(), asked, hand.NOW_S).decode(status, HEADERS, body)


# Requests


@pytest.mark.parametrize("kind", ASKED)
def test_a_request_is_a_form_that_is_signed_over_its_digest_and_read_again(kind: str) -> None:
    path, asked, own = ASKED[kind]
    request = wire.ask(hand.at(), asked, hand.NOW_S).request
    assert (request.method, request.url.path) == ("POST", f"/unionpay/gateway/api/{path}.do")
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
    fields = dict(parse_qsl(request.content.decode(), strict_parsing=True))
    sign = fields.pop("signature")
    assert fields == {**COMMON, **own}
    assert sign == rsa_by_hand.textbook("merchant", hand.text(fields))
    assert wire.decode_request(request, MERCHANTS) == wire.Signed(hand.MER_ID, asked)


@pytest.mark.parametrize("kind", ASKED)
def test_a_request_is_read_from_a_form_signed_by_hand(kind: str) -> None:
    path, asked, own = ASKED[kind]
    fields = {**COMMON, **own, "encoding": "utf-8", "new": "茶 & +=", "blank": ""}
    assert wire.decode_request(hand.request(path, fields), MERCHANTS) == wire.Signed(
        hand.MER_ID, asked
    )


def test_a_request_that_users_of_another_sdk_sent_is_read_up_to_its_signature() -> None:
    """Its merchant's key is at nobody's hand."""
    request = read("unionpay/request_query.http").request
    fields = dict(parse_qsl(request.content.decode(), strict_parsing=True))
    theirs = {**fields, "merId": hand.MER_ID, "certId": hand.CERT_ID}
    del theirs["signature"]
    asked = Query(fields["orderId"], fields["txnTime"])
    read_again = wire.decode_request(hand.request("queryTrans", theirs), MERCHANTS)
    assert read_again == wire.Signed(hand.MER_ID, asked)
    merchants = {
        fields["merId"]: wire.Merchant(fields["certId"], rsa_by_hand.public_pem("merchant"))
    }
    assert wire.decode_request(request, merchants) == wire.Unfit("11")


ORDERED = {**COMMON, **ASKED["order"][2]}
REFUNDED = {**COMMON, **ASKED["refund"][2]}
UNFIT = {
    "no merchant": ("13", hand.request("appTransReq", {**ORDERED, "merId": ""})),
    "no time": ("13", hand.request("appTransReq", {**ORDERED, "txnTime": ""})),
    "no signature": ("13", hand.request("appTransReq", {**ORDERED, "signature": ""})),
    "another merchant": ("11", hand.request("appTransReq", {**ORDERED, "merId": "7"})),
    "another certificate": ("11", hand.request("appTransReq", {**ORDERED, "certId": "7"})),
    "a stranger's": ("11", hand.request("appTransReq", ORDERED, "stranger")),
    "no base64": ("11", hand.request("appTransReq", {**ORDERED, "signature": "?"})),
    "an older version": ("10", hand.request("appTransReq", {**ORDERED, "version": "5.0.0"})),
    "punctuation": ("10", hand.request("appTransReq", {**ORDERED, "orderId": "o-1234567"})),
    "short": ("10", hand.request("appTransReq", {**ORDERED, "orderId": "o123456"})),
    "long": ("10", hand.request("appTransReq", {**ORDERED, "orderId": "o" * 41})),
    "a line end": ("10", hand.request("appTransReq", {**ORDERED, "orderId": "o1234567\n"})),
    "in yuan": ("10", hand.request("appTransReq", {**ORDERED, "txnAmt": "0.01"})),
    "nothing": ("10", hand.request("appTransReq", {**ORDERED, "txnAmt": "0"})),
    "other digits": ("10", hand.request("appTransReq", {**ORDERED, "txnAmt": "\u0661"})),
    "no end": ("10", hand.request("appTransReq", {**ORDERED, "payTimeout": ""})),
    "an order as a query": ("10", hand.request("queryTrans", ORDERED)),
    "a refund as an order": ("10", hand.request("appTransReq", REFUNDED)),
    "a kind that nobody knows": ("10", hand.request("backTransReq", {**REFUNDED, "txnType": "99"})),
    "of nothing": ("10", hand.request("backTransReq", {**REFUNDED, "origQryId": ""})),
}


@pytest.mark.parametrize("why", UNFIT)
def test_an_unfit_request_is_refused_by_its_code_and_the_answer_is_signed(why: str) -> None:
    code, request = UNFIT[why]
    assert wire.decode_request(request, MERCHANTS) == wire.Unfit(code)
    signer = message.Signer(rsa_by_hand.private_pem(hand.UNIONPAY), hand.own())
    status, _, body = wire.encode_reply(wire.Unfit(code), wire.Reply(resp_code=code), signer)
    fields = message.fields_of_answer(body)
    assert (status, fields["respCode"]) == (200, code)
    assert message.is_believed(hand.anchors(), fields, hand.NOW_S)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gateway/api/queryTrans.do"),
        ("POST", "/gateway/api/frontTransReq.do"),
        ("POST", "/"),
        ("POST", "/_keys"),
    ],
)
def test_another_path_is_not_on_this_wire(method: str, path: str) -> None:
    request = httpx.Request(method, f"http://pay/unionpay{path}")
    assert wire.decode_request(request, MERCHANTS) == wire.NoSuchPath()


@given(
    st.sampled_from(["/gateway/api/appTransReq.do", "/gateway/api/backTransReq.do", "/client/pay"]),
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(st.sampled_from([*ORDERED, "signature"]), st.text(max_size=9)).map(
            lambda fields: "&".join(f"{n}={v}" for n, v in fields.items()).encode()
        ),
    ),
)
@settings(max_examples=50)
def test_no_request_raises(path: str, body: bytes) -> None:
    request = httpx.Request("POST", f"http://pay{path}", content=body)
    assert isinstance(wire.decode_request(request, MERCHANTS), wire.Unfit | wire.Submitted)


# Numbers and times


numbers = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(numbers, numbers)
@settings(max_examples=100)
def test_a_number_is_letters_and_digits_and_another_for_every_other(one: str, other: str) -> None:
    told = order_id(one)
    assert re.fullmatch("[0-9A-Za-z]{8,40}", told)
    assert (told == order_id(other)) is (one == other)


@given(st.text("Z2D-aA0", max_size=20), st.text("Z2D-aA0", max_size=20))
@settings(max_examples=100)
def test_what_looks_like_an_escape_is_escaped(one: str, other: str) -> None:
    assert (order_id(one) == order_id(other)) is (one == other)


def test_numbers_are_as_these() -> None:
    assert order_id("r1c2-0") == "r1c2Z2D0"
    assert order_id("a") == "aZZZZZZZ"
    assert order_id("Za") == "Z5AaZZZZ"
    assert order_id("a", "r-1") != order_id("a/r", "1") != order_id("a")
    assert len(order_id("x" * 41)) == 40


def test_times_are_those_of_beijing() -> None:
    new_year_s = datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC).timestamp()
    assert message.stamp(new_year_s + 0.9) == "20270101000000"


# Answers


FOREIGN: dict[str, tuple[Asked, dict[str, str]]] = {
    "query_paid": (
        Query("pay20240105145046", "20240105145046"),
        {
            "resp_code": "00",
            "orig_resp_code": "00",
            "query_id": "442401051450467846498",
            "txn_amt": "1",
        },
    ),
    "refund": (
        Back(REFUND, "refundpay20240105165842", "20240105165842", 1, "052401051658427862748"),
        {"resp_code": "00", "txn_type": "04", "query_id": "052401051658427863998"},
    ),
    "undo": (
        Back(UNDO, "cancelpay20240105164725", "20240105164725", 1, "652401051647252574008"),
        {"resp_code": "00", "txn_type": "31"},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_an_answer_of_the_test_gateway_is_read_once_its_certificate_is_ours_to_believe(
    name: str,
) -> None:
    """Signed anew, as its own root is at nobody's hand; its own signature is tested beside."""
    asked, told = FOREIGN[name]
    fields = message.fields_of_answer(read(f"unionpay/{name}.http").body)
    fields |= {"merId": hand.MER_ID, "signPubKeyCert": hand.own()}
    del fields["signature"]
    signed = hand.signed(fields, hand.UNIONPAY)
    body = "&".join(f"{n}={v}" for n, v in signed.items()).encode()
    reply = decoded(asked, body)
    assert {field: getattr(reply, field) for field in told} == told
    with pytest.raises(Malformed, match="not signed"):
        decoded(asked, read(f"unionpay/{name}.http").body)


def test_an_and_within_braces_or_brackets_belongs_to_the_value() -> None:
    body = b"a={x=1&y=2}&b=[p&q]&c=1[0]&f=&signature=a+b/c==&e=x{open&g=[never&closed"
    assert message.fields_of_answer(body) == {
        "a": "{x=1&y=2}",
        "b": "[p&q]",
        "c": "1[0]",
        "f": "",
        "signature": "a+b/c==",
        "e": "x{open&g=[never&closed",
    }


@pytest.mark.parametrize("word", ["a", "a=", "a={", "=", "&", "{", "[{&="])
def test_a_long_answer_of_any_look_takes_no_longer_than_its_length(word: str) -> None:
    """Where each sign is looked at again for each before it, this one takes minutes."""
    fields = message.fields_of_answer(word.encode() * 100_000)
    assert len(fields) <= 1


def test_an_order_is_told_with_its_number_to_pay() -> None:
    reply = decoded(ORDER, hand.answer())
    assert (reply.tn, reply.refused) == ("712345678901234567890", False)
    assert decoded(ORDER, hand.answer(respCode="A6")).refused is False


FORGED = {
    "signed by another": hand.answer("stranger"),
    "with another's certificate": hand.answer(
        "stranger", hand.certificate(hand.UNIONPAY, "middle", of=hand.key("stranger"), by="root")
    ),
    "a merchant's": hand.answer(
        "merchant", hand.certificate("041@8310@A shop@1", "middle", of=hand.key("merchant"))
    ),
    "without a certificate": hand.answer(certificate_pem=""),
    "without a signature": hand.answer().partition(b"&signature=")[0],
    "changed on its way": hand.answer().replace(b"tn=7", b"tn=8"),
    "by a secret": hand.answer(signMethod="11"),
    "of another version": hand.answer(version="5.0.0"),
    "a refusal of a stranger": hand.answer("stranger", respCode="34"),
}


@pytest.mark.parametrize("why", FORGED)
def test_an_answer_that_unionpay_did_not_sign_is_not_believed(why: str) -> None:
    with pytest.raises(Malformed, match="not signed"):
        decoded(ORDER, FORGED[why])


def test_an_answer_is_believed_while_its_certificate_is_valid() -> None:
    call = wire.ask(hand.at(), ORDER, hand.ENDS.timestamp() + 1)
    with pytest.raises(Malformed, match="not signed"):
        call.decode(200, HEADERS, hand.answer())


@pytest.mark.parametrize("changed", [{"merId": "777290058110049"}, {"orderId": "o1234568"}])
def test_an_answer_of_another_order_is_not_believed(changed: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="another order"):
        decoded(ORDER, hand.answer(**changed))


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("order", {"tn": ""}),
        ("query", {}),
        ("undo", {"txnType": "31", "origQryId": "781611230800000000019"}),
        ("refund", {"txnType": "31", "origQryId": QUERY_ID}),
    ],
)
def test_a_good_answer_that_lacks_what_was_asked_for_is_none(
    kind: str, changed: dict[str, str]
) -> None:
    with pytest.raises(Malformed, match="lacks"):
        decoded(ASKED[kind][1], hand.answer(**changed))


@pytest.mark.parametrize("code", ["01", "12", "30", "34", "35", "36", "38", "45", "61", "77"])
def test_a_refusal_by_the_rules_is_a_value(code: str) -> None:
    reply = decoded(ORDER, hand.answer(respCode=code))
    assert (reply.refused, reply.resp_code) == (True, code)


FAULTS: list[tuple[str, type[ProviderFault]]] = [
    ("02", Overloaded),
    ("03", Unreachable),
    ("04", Unreachable),
    ("05", Unreachable),
    ("06", Overloaded),
    ("10", Malformed),
    ("11", Unauthorized),
    ("13", Malformed),
    ("31", Unauthorized),
    ("32", Unauthorized),
    ("37", RateLimited),
    ("43", Unauthorized),
    ("99", Overloaded),
    ("0", Malformed),
    ("000", Malformed),
    ("零零", Malformed),
]


@pytest.mark.parametrize(("code", "fault"), FAULTS)
def test_a_call_that_failed_is_a_fault_whoever_signed_it(
    code: str, fault: type[ProviderFault]
) -> None:
    body = f"respCode={code}&respMsg=my secret".encode()
    with pytest.raises(fault) as caught:
        decoded(ORDER, body)
    assert type(caught.value) is fault
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (503, b"", Overloaded),
        (404, b"", Malformed),
        (302, b"", Malformed),
        (200, b"", Malformed),
        (200, b"<html>", Malformed),
        (200, b"\xff=\xfe", Malformed),
        (200, b"respMsg=x", Malformed),
    ],
)
def test_an_answer_that_the_wire_does_not_allow_is_a_fault(
    status: int, body: bytes, fault: type[ProviderFault]
) -> None:
    with pytest.raises(fault) as caught:
        decoded(ORDER, body, status)
    assert type(caught.value) is fault


@given(st.integers(100, 599), st.binary(max_size=100))
@settings(max_examples=50)
def test_no_answer_raises_anything_but_a_provider_fault(status: int, body: bytes) -> None:
    asking = wire.ask(hand.at(), QUERY, hand.NOW_S)
    for call in (asking, wire.submit(hand.at(), "7", "ada"), wire.fetch_keys("http://pay")):
        with pytest.raises(ProviderFault):
            call.decode(status, HEADERS, body)


@pytest.mark.parametrize("kind", ASKED)
def test_an_answer_is_written_as_the_merchant_reads_it(kind: str) -> None:
    asked = ASKED[kind][1]
    signer = message.Signer(rsa_by_hand.private_pem(hand.UNIONPAY), hand.own())
    reply = wire.Reply(resp_code="00", tn="7", query_id=QUERY_ID, orig_resp_code="05")
    status, _, body = wire.encode_reply(wire.Signed(hand.MER_ID, asked), reply, signer)
    fields = message.fields_of_answer(body)
    assert fields["signature"] == rsa_by_hand.textbook(hand.UNIONPAY, hand.text(fields))
    told = decoded(asked, body, status)
    assert (told.tn, told.query_id, told.orig_resp_code) == ("7", QUERY_ID, "05")
    assert "signer" not in repr(signer)


def test_keys_are_not_printed() -> None:
    assert repr(wire.Keys("777", "1", "secret", "roots")) == "Keys(777)"


def test_only_the_test_gateway_is_a_host() -> None:
    assert wire.HOSTS == ("gateway.test.95516.com",)
