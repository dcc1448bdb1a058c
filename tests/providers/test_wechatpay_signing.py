"""WeChat Pay's signatures and seals: its own SDK's vectors, and all that must not pass."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import rsa2
from harness.providers.call import Malformed
from harness.providers.wechatpay import certificates, notices, signing
from harness.providers.wechatpay.signing import Sealed, Signer, Stamp
from tests.providers import wechatpay_by_hand as hand
from tests.providers.wechatpay_by_hand import NOW_S, SERIAL, STAMP, VECTORS, pem

KEYS = {SERIAL: pem("certificate")}
AES = VECTORS["aes"]


# The vectors


def test_the_sdk_s_own_signature_comes_out() -> None:
    message = VECTORS["message"].encode()
    assert rsa2.sign(pem("private_key"), message) == VECTORS["signature"]
    for key in ("public_key", "certificate"):
        public = signing.public_pem_of(pem(key))
        assert rsa2.verify(public, message, VECTORS["signature"])
        assert not rsa2.verify(public, b"wrong source", VECTORS["signature"])


def test_the_certificate_s_serial_is_as_the_sdk_tells_it() -> None:
    assert signing.serial_of(pem("certificate")) == SERIAL


def test_the_sdk_s_own_seal_opens_and_can_be_made() -> None:
    sealed = Sealed(AES["nonce"], AES["ciphertext"], associated_data=AES["associated_data"])
    assert signing.unseal(AES["key"], sealed) == AES["text"].encode()
    made = signing.seal(AES["key"], AES["text"].encode(), AES["nonce"], AES["associated_data"])
    assert made == sealed


@pytest.mark.parametrize(
    "sealed",
    [
        Sealed(AES["nonce"], "invalid cipher", associated_data=AES["associated_data"]),
        Sealed(AES["nonce"], "SGVsbG8gV29ybGQK", associated_data=AES["associated_data"]),
        Sealed(AES["nonce"], "", associated_data=AES["associated_data"]),
        Sealed(AES["nonce"], AES["ciphertext"], associated_data="other"),
        Sealed(AES["nonce"], AES["ciphertext"], "AEAD_SM4_GCM", AES["associated_data"]),
        Sealed("x", AES["ciphertext"], associated_data=AES["associated_data"]),
    ],
)
def test_a_seal_that_is_none_is_not_opened(sealed: Sealed) -> None:
    assert signing.unseal(AES["key"], sealed) is None


def test_a_seal_opens_with_no_other_key() -> None:
    sealed = Sealed(AES["nonce"], AES["ciphertext"], associated_data=AES["associated_data"])
    assert signing.unseal("testAPIv3Key1111", sealed) is None
    assert signing.unseal("not a aes key", sealed) is None


def test_the_sdk_s_own_notice_is_believed_and_opened() -> None:
    told = notices.decode_notice(KEYS, "testMchAPIv3Key0", hand.golden("notice").request, NOW_S)
    assert told is not None
    assert (told.id[:8], told.event_type) == ("3119dfba", "PAYSCORE.USER_OPEN_SERVICE")
    assert json.loads(told.content) == {
        "mchid": "1234567890",
        "appid": "054aa7d7a2a54ab5898df65bd96f001c",
        "create_time": "2020-06-30T12:12:00+08:00",
        "out_contract_code": "21640bdbd08e473e828f3206a2741c6e",
    }


def test_the_sdk_s_own_certificates_are_unsealed_and_believed() -> None:
    body = hand.golden("certificates").body
    call = certificates(hand.at(), "mockAPIv3Key1234", STAMP)
    assert call.decode(200, hand.signed(body), body) == {SERIAL: pem("certificate").strip()}
    for key, headers in (
        ("mockAPIv3Key1235", hand.signed(body)),
        ("mockAPIv3Key1234", hand.golden("certificates").headers),
    ):
        with pytest.raises(Malformed):
            certificates(hand.at(), key, STAMP).decode(200, headers, body)


def test_a_serial_number_may_be_told_with_the_nought_that_it_begins_with() -> None:
    told = f"0{SERIAL}"
    body = hand.golden("certificates").body.replace(SERIAL.encode(), told.encode())
    headers = hand.signed(body, serial=told)
    call = certificates(hand.at(), "mockAPIv3Key1234", STAMP)
    assert call.decode(200, headers, body) == {told: pem("certificate").strip()}


# What is not believed


def notice_with(headers: dict[str, str], now_s: int = NOW_S) -> notices.Notice | None:
    request = hand.golden("notice").request
    request.headers.update(headers)
    return notices.decode_notice(KEYS, "testMchAPIv3Key0", request, now_s)


SIGNATURE = hand.golden("notice").headers["wechatpay-signature"]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"wechatpay-nonce": "another"},
        {"wechatpay-nonce": ""},
        {"wechatpay-timestamp": str(NOW_S + 1)},
        {"wechatpay-timestamp": "now"},
        {"wechatpay-timestamp": ""},
        {"wechatpay-serial": "D7CE59D1F522D702"},
        {"wechatpay-serial": ""},
        {"wechatpay-signature": ""},
        {"wechatpay-signature": "no base64"},
        {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + SIGNATURE},
        {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + SIGNATURE[19:]},
    ],
)
def test_a_notice_that_is_not_wechat_s_is_not_believed(spoiled: dict[str, str]) -> None:
    assert notice_with({}) is not None
    assert notice_with(spoiled) is None


@pytest.mark.parametrize(("off_s", "believed"), [(299, True), (300, False)])
@pytest.mark.parametrize("way", [1, -1])
def test_a_message_is_believed_for_less_than_five_minutes_either_way(
    way: int, off_s: int, believed: bool
) -> None:
    assert (notice_with({}, NOW_S + way * off_s) is not None) is believed


def test_a_notice_for_another_merchant_is_not_opened() -> None:
    request = hand.golden("notice").request
    assert notices.decode_notice(KEYS, "testMchAPIv3Key1", request, NOW_S) is None


@given(st.binary(max_size=40), st.sampled_from(["data", "resource", "id"]))
@settings(max_examples=25)
def test_a_signed_notice_of_any_bytes_raises_nothing(body: bytes, name: str) -> None:
    for text in (body, json.dumps({name: body.hex()}).encode()):
        request = hand.golden("notice").request
        spoiled = type(request)("POST", request.url, headers=hand.signed(text), content=text)
        assert notices.decode_notice(KEYS, "testMchAPIv3Key0", spoiled, NOW_S) is None


def test_a_notice_goes_from_wechat_to_the_merchant_by_either_of_two_keys() -> None:
    told = notices.Notice(
        "n-1", "TRANSACTION.SUCCESS", "2021-06-24T16:37:26+08:00", b'{"a":"\xe8"}'
    )
    new = Signer("PUB_KEY_ID_01", pem("private_key"))
    keys = {**KEYS, new.serial: pem("public_key")}
    for signer in (new, replace(new, serial=SERIAL)):
        request = notices.encode_notice("http://app/n", told, "k" * 32, signer, STAMP)
        assert notices.decode_notice(keys, "k" * 32, request, NOW_S) == told
    assert notices.decode_notice({}, "k" * 32, request, NOW_S) is None


# Requests


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=32))
@settings(max_examples=10)
def test_what_a_request_says_of_its_signature_is_read_back(nonce: str) -> None:
    signer, stamp = Signer("AB12", pem("private_key")), Stamp(NOW_S, nonce)
    header = signing.authorization(signer, "19000", "GET", "/v3/certificates", stamp, b"")
    claim = signing.claim_of(header)
    assert claim is not None
    assert (claim.mchid, claim.serial, claim.stamp) == ("19000", "AB12", stamp)
    text = f"GET\n/v3/certificates\n{NOW_S}\n{nonce}\n\n".encode()
    assert rsa2.verify(pem("public_key"), text, claim.signature)


SCHEME = "WECHATPAY2-SHA256-RSA2048"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        'WECHATPAY2-SM2-WITH-SM3 mchid="1",nonce_str="2",signature="3",timestamp="4",serial_no="5"',
        f'{SCHEME} mchid="1",nonce_str="2",signature="3",timestamp="4"',
        f'{SCHEME} mchid="1",nonce_str="2",signature="3",timestamp="x",serial_no="5"',
        f"{SCHEME} mchid=1,nonce_str=2,signature=3,timestamp=4,serial_no=5",
    ],
)
def test_what_is_no_authorization_is_none(header: str) -> None:
    assert signing.claim_of(header) is None


def test_the_fields_of_an_authorization_may_come_in_any_order() -> None:
    header = f'{SCHEME} serial_no="5",timestamp="4",signature="3",nonce_str="2",mchid="1"'
    claim = signing.claim_of(header)
    assert claim is not None and claim.mchid == "1" and claim.stamp == Stamp(4, "2")


def test_keys_are_never_printed() -> None:
    for shown in (Signer("AB12", pem("private_key")), hand.at()):
        assert "PRIVATE" not in repr(shown)


@pytest.mark.parametrize("bad", ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_a_bad_certificate_is_our_mistake_and_is_not_quoted(bad: str) -> None:
    with pytest.raises(ValueError, match="certificate is not one in PEM") as caught:
        signing.public_pem_of(bad)
    assert "AAAA" not in str(caught.value)
