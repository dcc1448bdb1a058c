"""The WeChat Pay AI wire in both roles, each against JSON and seals made by hand."""

import base64
import json
from typing import Literal, get_args

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import wechat_ai as wire
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.providers.wechat_ai import Order, Receipt, Refusal, Session, SessionRequest
from tests.providers.by_hand import AT, OAEP, PLAIN, Json, envelope, private_key, rpc

OPERATIONS = get_args(wire.Operation)

# An order, and the JSON that is sealed for it.
ORDERS = {
    "a payment": (
        Order("o-1", "wx-ada", "balance", 1250, "CNY", "tea-house"),
        PLAIN,
    ),
    "another currency": (
        Order("o-2", "wx-ada", "card", 99, "EUR", "café"),
        '{"payee":"café", "currency":"EUR", "amount":99, "method":"card", "openid":"wx-ada",'
        ' "orderNo":"o-2"}',
    ),
    "a question": (
        Order("o-3", "wx-ada", "card"),
        '{"orderNo":"o-3","openid":"wx-ada","method":"card","currency":"CNY"}',
    ),
    "a refund": (
        Order("o-4", "wx-ada", "card", 50, refund_no="r-1"),
        '{"orderNo":"o-4","openid":"wx-ada","method":"card","amount":50,"refundNo":"r-1"}',
    ),
    "a leg of a bill": (
        Order("o-5", "wx-ada", "card", 34, payee="metro", bill_no="b-1", bill_total=100),
        '{"orderNo":"o-5","openid":"wx-ada","method":"card","amount":34,"payee":"metro",'
        ' "billNo":"b-1","billTotal":100}',
    ),
}

RECEIPT = Receipt("o-1", "wx0000000001", "refunded", 1250, "CNY", 10, 50)
RECEIPT_JSON: Json = {
    "order_no": "o-1",
    "transaction_id": "wx0000000001",
    "state": "refunded",
    "amount_minor": 1250,
    "currency": "CNY",
    "fee_minor": 10,
    "refunded_minor": 50,
}
SESSION = Session("wxs_00c0ffee", "wx-ada", "balance", 900.0, "wxs_00c0ffef")
SESSION_JSON: Json = {
    "session_token": "wxs_00c0ffee",
    "openid": "wx-ada",
    "method": "balance",
    "expires_in_s": 900,
    "refresh_token": "wxs_00c0ffef",
}


def sealing_key() -> wire.SealingKey:
    return wire.SealingKey("key-0", private_key().public_key(), 60.0)


def pem(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, oid: tuple[bytes, bytes] = (b"", b"")
) -> str:
    """The key in PEM, by way of DER, with one object identifier exchanged for another."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    ).replace(*oid)
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n"


def answer(ret: str, **rest: object) -> bytes:
    return json.dumps({"msg": "because", **rest, "seq": "o-1", "ret": ret, "ver": "0.9"}).encode()


# Sessions and keys


def test_a_session_is_asked_for_as_the_provider_reads_it() -> None:
    request = wire.open_session(AT, "wx-ada", "balance").request
    assert (request.method, str(request.url)) == ("POST", "http://pay/wechat-ai/oauth/session")
    assert request.headers["content-type"] == "application/json"
    by_hand = {"app_secret": "app-secret", "openid": "wx-ada", "method": "balance"}
    assert json.loads(request.content) == by_hand
    asked = SessionRequest("app-secret", "wx-ada", "balance")
    assert wire.decode_request(request) == asked
    spaced = httpx.Request("POST", request.url, content=json.dumps(by_hand, indent=2).encode())
    assert wire.decode_request(spaced) == asked


def test_a_session_is_answered_as_the_client_reads_it() -> None:
    status, body = wire.encode_reply(SESSION)
    assert (status, json.loads(body)) == (200, SESSION_JSON)
    decode = wire.open_session(AT, "wx-ada", "balance").decode
    for told in (body, json.dumps({"new": 1, **SESSION_JSON}).encode()):
        assert decode(200, httpx.Headers(), told) == SESSION


def test_a_session_is_refreshed_with_nothing_but_the_refresh_token() -> None:
    call = wire.refresh(AT, "wxs_00c0ffef")
    assert (call.request.method, str(call.request.url)) == (
        "POST",
        "http://pay/wechat-ai/oauth/refresh",
    )
    assert json.loads(call.request.content) == {"refresh_token": "wxs_00c0ffef"}
    assert wire.decode_request(call.request) == wire.RefreshRequest("wxs_00c0ffef")
    spaced = httpx.Request("POST", call.request.url, content=b' {"refresh_token" : "r", "new": 1}')
    assert wire.decode_request(spaced) == wire.RefreshRequest("r")
    assert call.decode(200, httpx.Headers(), json.dumps(SESSION_JSON).encode()) == SESSION


def test_a_key_is_asked_for_without_credentials() -> None:
    request = wire.fetch_key(AT).request
    assert (request.method, str(request.url)) == ("GET", "http://pay/wechat-ai/keys/current")
    assert "app-secret" not in f"{request.headers} {request.content!r}"
    assert wire.decode_request(request) == wire.KeyRequest()


def test_a_key_is_answered_as_the_client_reads_it() -> None:
    public = private_key().public_key()
    status, body = wire.encode_reply(wire.PublicKey("key-7", wire.public_pem(public), 60.0))
    by_hand = {"key_id": "key-7", "public_key_pem": pem(public), "expires_in_s": 60}
    for told in (body, json.dumps(by_hand).encode()):
        key = wire.fetch_key(AT).decode(status, httpx.Headers(), told)
        assert (key.key_id, key.expires_in_s) == ("key-7", 60.0)
        assert key.public_key.public_numbers() == public.public_numbers()


RSA_OID = bytes.fromhex("2a864886f70d010101")


@pytest.mark.parametrize(
    ("why", "public"),
    [
        ("not PEM", "hello"),
        ("not DER", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        ("not RSA", pem(ec.generate_private_key(ec.SECP256R1()).public_key())),
        ("too short", pem(rsa.generate_private_key(65537, 1024).public_key())),
        ("unknown algorithm", pem(private_key().public_key(), (RSA_OID, RSA_OID[:-1] + b"\x63"))),
    ],
)
def test_a_key_that_cannot_seal_is_malformed(why: str, public: str) -> None:
    body = json.dumps({"key_id": "key-0", "public_key_pem": public, "expires_in_s": 1}).encode()
    with pytest.raises(Malformed):
        wire.fetch_key(AT).decode(200, httpx.Headers(), body)


# Transactions


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("case", ORDERS)
def test_a_transaction_is_written_as_the_provider_reads_it(
    operation: wire.Operation, case: str
) -> None:
    order, plain = ORDERS[case]
    request = wire.transact(AT, operation, "wxs_00c0ffee", sealing_key(), order).request
    assert (request.method, str(request.url)) == ("POST", "http://pay/wechat-ai/rpc")
    told = json.loads(request.content)
    opened = private_key().decrypt(base64.b64decode(told["seal"].pop("data")), OAEP)
    assert {"currency": "CNY", **json.loads(opened)} == {"currency": "CNY", **json.loads(plain)}
    assert told == {
        "ver": "0.9",
        "call": operation,
        "seq": order.refund_no or order.order_no,
        "auth": {"session_token": "wxs_00c0ffee"},
        "seal": {"key_id": "key-0", "alg": "RSA-OAEP-256"},
    }


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("case", ORDERS)
def test_a_transaction_is_read_from_foreign_bytes(operation: wire.Operation, case: str) -> None:
    order, plain = ORDERS[case]
    sealed = private_key().public_key().encrypt(plain.encode(), OAEP)
    seal = {"data": base64.b64encode(sealed).decode(), "alg": "RSA-OAEP-256", "key_id": "key-0"}
    asked = wire.decode_request(rpc(envelope(call=operation, seal=seal, new=1)))
    assert asked == wire.Transaction(operation, "wxs_00c0ffee", "key-0", sealed, "o-1")
    assert isinstance(asked, wire.Transaction)
    assert wire.open_seal(private_key(), asked.sealed) == order


def test_a_seal_is_never_the_same_twice() -> None:
    order = ORDERS["a payment"][0]
    assert len({wire.seal(private_key().public_key(), order) for _ in range(8)}) == 8


def test_an_order_fits_the_seal_to_the_last_byte_and_not_one_more() -> None:
    empty = len('{"orderNo":"","openid":"","method":""}')
    fits = Order("o" * (wire.SEAL_LIMIT - empty), "", "")
    assert wire.open_seal(private_key(), wire.seal(private_key().public_key(), fits)) == fits
    over = Order("o" * (wire.SEAL_LIMIT - empty + 1), "", "")
    with pytest.raises(ValueError, match="191 bytes does not fit the seal of 190"):
        wire.transact(AT, "pay.query", "t", sealing_key(), over)


LONGEST = {
    "a payment": Order(
        "r19a7c124-4", "r19a7c124", "balance", 99_999_999, "EUR", "payee-blocked"
    ),
    "a leg": Order(
        "r19a7c124-4-7",
        "r19a7c124-fang",
        "balance",
        99_999_999,
        payee="payee-blocked",
        bill_no="r19a7c124-4",
        bill_total=99_999_999,
    ),
    "a refund": Order(
        "r19a7c124-4", "r19a7c124", "balance", 99_999_999, "EUR", refund_no="r19a7c124-4-r5"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LONGEST)
def test_an_order_as_agents_write_it_fits_the_seal_up_to_a_million(case: str) -> None:
    sealed = wire.seal(private_key().public_key(), LONGEST[case])
    assert wire.open_seal(private_key(), sealed) == LONGEST[case]


@pytest.mark.parametrize(
    ("why", "sealed"),
    [
        ("nothing", b""),
        ("too short", b"x" * 255),
        ("too long", b"x" * 257),
        ("noise", b"\x01" * 256),
        ("above the modulus", b"\xff" * 256),
        ("no JSON", private_key().public_key().encrypt(b"hello", OAEP)),
        ("no order", private_key().public_key().encrypt(b"{}", OAEP)),
        ("no UTF-8", private_key().public_key().encrypt(b'{"orderNo":"\xff"}', OAEP)),
        (
            "another padding",
            private_key()
            .public_key()
            .encrypt(
                ORDERS["a payment"][1].encode(),
                padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
            ),
        ),
        (
            "another key",
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .encrypt(ORDERS["a payment"][1].encode(), OAEP),
        ),
    ],
)
def test_every_bad_seal_earns_one_and_the_same_refusal(why: str, sealed: bytes) -> None:
    told = wire.open_seal(private_key(), sealed)
    assert told == Refusal("BAD_SEAL", "the sealed part cannot be opened")


def test_a_receipt_is_answered_as_the_client_reads_it() -> None:
    status, body = wire.encode_reply(RECEIPT, sequence="o-1")
    by_hand = {"ver": "0.9", "seq": "o-1", "ret": "OK", "data": RECEIPT_JSON}
    assert (status, json.loads(body)) == (200, by_hand)
    decode = wire.transact(AT, "pay.query", "t", sealing_key(), ORDERS["a payment"][0]).decode
    for told in (body, answer("OK", data=RECEIPT_JSON, new=True)):
        assert decode(200, httpx.Headers(), told) == RECEIPT


# Refusals


@pytest.mark.parametrize("code", get_args(wire.RefusalCode))
def test_a_refusal_is_answered_as_the_client_reads_it(code: wire.RefusalCode) -> None:
    refusal = Refusal(code, "because")
    status, body = wire.encode_reply(refusal, sequence="o-1")
    assert status == {"MALFORMED_REQUEST": 400, "APP_UNKNOWN": 401}.get(code, 200)
    by_hand = {"ver": "0.9", "seq": "o-1", "ret": code, "msg": "because"}
    assert json.loads(body) == by_hand
    calls = (
        wire.transact(AT, "pay.void", "t", sealing_key(), ORDERS["a question"][0]),
        wire.open_session(AT, "wx-ada", "balance"),
        wire.refresh(AT, "wxs_00c0ffef"),
    )
    for call in calls:
        for told in (body, answer(code)):
            assert call.decode(status, httpx.Headers(), told) == refusal


@pytest.mark.parametrize(
    ("why", "status", "body", "fault"),
    [
        ("too many calls", 429, b"", RateLimited),
        ("broken", 500, answer("DECLINED"), Overloaded),
        ("away", 503, b"<html>", Overloaded),
        ("forbidden", 403, b"", Unauthorized),
        ("moved", 302, b"", Malformed),
        ("not found", 404, b"", Malformed),
        ("no JSON", 200, b"hello", Malformed),
        ("no UTF-8", 200, b'{"ver":"\xff"}', Malformed),
        ("no JSON in a refusal", 400, b"hello", Malformed),
        ("an unknown refusal", 200, answer("BORED"), Malformed),
        ("an OK that is a bad request", 400, answer("OK", data=RECEIPT_JSON), Malformed),
        ("an OK without data", 200, answer("OK"), Malformed),
        ("an unknown state", 200, answer("OK", data={**RECEIPT_JSON, "state": "?"}), Malformed),
        ("broken money", 200, answer("OK", data={**RECEIPT_JSON, "fee_minor": 0.5}), Malformed),
        ("too deep", 200, b'{"deep":' + b"[" * 100_000, Malformed),
    ],
)  # fmt: skip
def test_an_answer_that_the_wire_does_not_allow_is_a_fault(
    why: str, status: int, body: bytes, fault: type[ProviderFault]
) -> None:
    calls = (
        wire.transact(AT, "pay.query", "t", sealing_key(), ORDERS["a question"][0]),
        wire.open_session(AT, "wx-ada", "balance"),
        wire.refresh(AT, "wxs_00c0ffef"),
    )
    for call in calls:
        with pytest.raises(fault) as raised:
            call.decode(status, httpx.Headers(), body)
        assert type(raised.value) is fault


@given(st.integers(100, 599), st.binary())
def test_no_answer_raises_anything_but_a_provider_fault(status: int, body: bytes) -> None:
    calls = (
        wire.transact(AT, "pay.query", "t", sealing_key(), ORDERS["a question"][0]),
        wire.open_session(AT, "wx-ada", "balance"),
        wire.refresh(AT, "wxs_00c0ffef"),
        wire.fetch_key(AT),
    )
    for call in calls:
        with pytest.raises(ProviderFault):
            call.decode(status, httpx.Headers(), body)


@pytest.mark.parametrize(
    ("why", "fault"), [("rate_limited", RateLimited), ("overloaded", Overloaded)]
)
def test_whom_the_server_turned_away_the_client_knows_why(
    why: Literal["rate_limited", "overloaded"], fault: type[ProviderFault]
) -> None:
    status, headers, body = wire.encode_turned(why)
    for call in (wire.open_session(AT, "wx-ada", "balance"), wire.refresh(AT, "r")):
        with pytest.raises(fault) as raised:
            call.decode(status, httpx.Headers(headers), body)
        assert type(raised.value) is fault


def test_nothing_that_holds_a_secret_prints_it() -> None:
    held = (
        SessionRequest("s3cret", "wx-ada", "balance"),
        wire.RefreshRequest("s3cret"),
        Session("s3cret", "wx-ada", "balance", 900.0, "s3cret"),
        wire.Transaction("pay.query", "s3cret", "key-0", b"s3cret", "o-1"),
    )
    assert "s3cret" not in repr(held)
