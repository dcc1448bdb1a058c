"""Whom UnionPay's certificates make believable: chains, times and names, each broken in turn."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.providers.unionpay import message
from harness.providers.unionpay.certificates import trusted_key
from tests.providers import alipay_by_hand as rsa_by_hand
from tests.providers import unionpay_by_hand as hand
from tests.providers.foreign import FOLDER, read

ROOT = hand.certificate("root", "root", ca=True)
MIDDLE = hand.certificate("middle", "root", ca=True)
LATE = datetime(2026, 12, 1, tzinfo=UTC)


def is_trusted(own: str, anchors: str = hand.anchors(), now_s: float = hand.NOW_S) -> bool:
    return trusted_key(own, anchors, now_s) is not None


@pytest.mark.parametrize("name", [hand.UNIONPAY, hand.TEST_SYSTEM])
def test_a_certificate_of_unionpay_under_a_given_root_gives_its_key(name: str) -> None:
    own = hand.certificate(name, "middle")
    assert trusted_key(own, hand.anchors(), hand.NOW_S) == rsa_by_hand.public_pem(name)
    windows = own.replace("\n", "\r\n")
    assert is_trusted(windows)


CHAINS: dict[str, tuple[str, str]] = {
    "under the root itself": (hand.certificate(hand.UNIONPAY, "root"), ROOT),
    "in any order": (hand.own(), MIDDLE + ROOT),
    "a root that says nothing of itself": (
        hand.own(),
        hand.certificate("root", "root") + MIDDLE,
    ),
    "beside others": (hand.own(), hand.certificate("other", "other", ca=True) + hand.anchors()),
    "two intermediates": (
        hand.certificate(hand.UNIONPAY, "lower"),
        hand.anchors() + hand.certificate("lower", "middle", ca=True),
    ),
}


@pytest.mark.parametrize("why", CHAINS)
def test_any_chain_to_a_given_root_will_do(why: str) -> None:
    assert is_trusted(*CHAINS[why])


BAD: dict[str, tuple[str, str]] = {
    "no root": (hand.own(), MIDDLE),
    "no intermediate": (hand.own(), ROOT),
    "no anchors": (hand.own(), hand.certificate("other", "other", ca=True)),
    "issued itself": (hand.certificate(hand.UNIONPAY, hand.UNIONPAY, ca=True), hand.anchors()),
    "names the issuer, signed by another": (
        hand.certificate(hand.UNIONPAY, "middle", by="stranger"),
        hand.anchors(),
    ),
    "signed by the issuer, names another": (
        hand.certificate(hand.UNIONPAY, "else", by="middle"),
        hand.anchors(),
    ),
    "an intermediate that may not issue": (
        hand.own(),
        ROOT + hand.certificate("middle", "root", ca=False),
    ),
    "an intermediate that does not say so": (hand.own(), ROOT + hand.certificate("middle", "root")),
    "a merchant's, which may not issue": (
        hand.certificate(hand.UNIONPAY, "merchant"),
        hand.anchors() + hand.certificate("merchant", "middle", ca=False),
    ),
    "of a merchant": (hand.certificate("041@8310@A shop@0001", "middle"), hand.anchors()),
    "a name without parts": (hand.certificate("中国银联股份有限公司", "middle"), hand.anchors()),
    "UnionPay in another part": (
        hand.certificate("041@中国银联股份有限公司@A shop@1", "middle"),
        hand.anchors(),
    ),
    "a key that is not RSA": (
        hand.certificate(hand.UNIONPAY, "middle", of=ec.generate_private_key(ec.SECP256R1())),
        hand.anchors(),
    ),
    "no certificate": ("", hand.anchors()),
    "no PEM": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", hand.anchors()),
    "a key in its place": (rsa_by_hand.public_pem("app"), hand.anchors()),
}


@pytest.mark.parametrize("why", BAD)
def test_no_other_certificate_is_believed(why: str) -> None:
    assert not is_trusted(*BAD[why])


@pytest.mark.parametrize("which", ["own", "middle", "root"])
def test_the_whole_chain_is_valid_at_that_time_or_nothing_is(which: str) -> None:
    begins = {name: LATE if name == which else hand.BEGINS for name in ("own", "middle", "root")}
    own = hand.certificate(hand.UNIONPAY, "middle", begins=begins["own"])
    given = hand.certificate("root", "root", ca=True, begins=begins["root"])
    given += hand.certificate("middle", "root", ca=True, begins=begins["middle"])
    after_s = LATE.timestamp()
    assert not is_trusted(own, given, after_s - 1)
    assert is_trusted(own, given, after_s)
    assert is_trusted(own, given, hand.ENDS.timestamp())
    assert not is_trusted(own, given, hand.ENDS.timestamp() + 1)


def test_anchors_that_are_none_are_our_mistake() -> None:
    with pytest.raises(ValueError, match="not certificates in PEM"):
        trusted_key(hand.own(), "my roots", hand.NOW_S)


def test_certificates_signed_with_sha1_are_read_as_the_test_gateways_are() -> None:
    """Made by openssl, as the library that reads them makes none any more."""
    own, root = ((FOLDER / "unionpay" / f"sha1_{name}.pem").read_text() for name in ("own", "root"))
    then_s = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert is_trusted(own, root, then_s)
    assert not is_trusted(own, hand.anchors(), then_s)


SIGNED = ["query_paid", "refund", "undo"]


@pytest.mark.parametrize("name", SIGNED)
def test_the_test_gateways_own_signature_is_right_and_breaks_with_any_change(name: str) -> None:
    """Its chain is not at hand, so its certificate stands for its own root."""
    fields = message.fields_of_answer(read(f"unionpay/{name}.http").body)
    key = _key_of(fields["signPubKeyCert"])
    assert message.is_signed(key, fields)
    assert not message.is_signed(key, {**fields, "txnAmt": "2"})
    assert not message.is_signed(key, {**fields, "signPubKeyCert": hand.own()})


@pytest.mark.parametrize("name", SIGNED)
def test_the_test_gateways_certificate_is_not_believed_without_its_root(name: str) -> None:
    fields = message.fields_of_answer(read(f"unionpay/{name}.http").body)
    then_s = datetime(2024, 1, 5, tzinfo=UTC).timestamp()
    for given in (hand.anchors(), fields["signPubKeyCert"]):
        assert not message.is_believed(given, fields, then_s)


def _key_of(certificate_pem: str) -> str:
    public = x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()
