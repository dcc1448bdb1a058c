"""SHA256withRSA over canonical strings, against RSA by the textbook; and what no key opens."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import rsa2
from tests.providers import alipay_by_hand as hand

texts = st.text(st.characters(codec="utf-8"), max_size=40)


@pytest.mark.parametrize("text", ["", "a=1&b=2", "subject=茶 & milk", "x" * 10_000])
def test_a_signature_is_that_of_the_textbook(text: str) -> None:
    signature = rsa2.sign(hand.private_pem("app"), text.encode())
    assert signature == hand.textbook("app", text)
    assert rsa2.verify(hand.public_pem("app"), text.encode(), signature)


@given(texts, texts)
@settings(max_examples=30)
def test_no_other_text_and_no_other_key_verifies(text: str, other: str) -> None:
    signature = hand.sign("app", text)
    assert rsa2.verify(hand.public_pem("app"), other.encode(), signature) is (other == text)
    assert not rsa2.verify(hand.public_pem("alipay"), text.encode(), signature)


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.hex())))
@settings(max_examples=30)
def test_what_is_no_signature_is_refused_and_raises_nothing(signature: str) -> None:
    assert not rsa2.verify(hand.public_pem("app"), b"text", signature)


def test_a_signature_broken_over_lines_is_none() -> None:
    signature = hand.sign("app", "text")
    assert not rsa2.verify(hand.public_pem("app"), b"text", signature[:76] + "\n" + signature[76:])


def test_the_canonical_string_is_sorted_plain_and_without_the_empty() -> None:
    params = {"b": "2 & 3", "a": "茶", "sign": "x", "empty": "", "B": "1", "sign_type": "RSA2"}
    assert rsa2.canonical(params, ("sign",)) == "B=1&a=茶&b=2 & 3&sign_type=RSA2".encode()
    assert rsa2.canonical(params, ("sign", "sign_type")) == "B=1&a=茶&b=2 & 3".encode()


def test_a_key_goes_from_pem_to_pem() -> None:
    private, public = (
        rsa2.private_pem(hand.key("app")),
        rsa2.public_pem(hand.key("app").public_key()),
    )
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert public == hand.public_pem("app")
    assert rsa2.sign(private, b"text") == hand.sign("app", "text")


EC = ec.generate_private_key(ec.SECP256R1())
EC_PRIVATE = EC.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
EC_PUBLIC = (
    EC.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.mark.parametrize("pem", ["", "my secret", EC_PRIVATE])
def test_a_bad_private_key_is_our_mistake_and_is_not_quoted(pem: str) -> None:
    with pytest.raises(ValueError, match="the private key is not RSA") as caught:
        rsa2.sign(pem, b"text")
    assert not pem or pem not in str(caught.value)


@pytest.mark.parametrize("pem", ["", "no key", EC_PUBLIC])
def test_a_bad_public_key_is_our_mistake_and_no_failed_signature(pem: str) -> None:
    with pytest.raises(ValueError, match="the public key is not RSA"):
        rsa2.verify(pem, b"text", hand.sign("app", "text"))
