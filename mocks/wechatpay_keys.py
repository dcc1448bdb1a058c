"""The keys of WeChat Pay's mock and of its one merchant: fresh in every process, none ever printed.

WeChat's side has two at once, as while a merchant changes from the one to the other: a certificate
with a serial number, and a public key with an id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from harness.providers.wechatpay import Keys
from harness.providers.wechatpay.signing import Signer, serial_of
from mocks.faults.unknown_keys import stranger_pem
from mocks.key_material import made, pair
from mocks.keys import signing_pair

MCHID, APPID = "1900000001", "wx0000000000000001"
MERCHANT_SERIAL = "1900000001000000000000000000000000000001"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012026112300000000000001"
UNPUBLISHED_ID = "PUB_KEY_ID_0119000000012026112300000000000002"
"""Of no key that WeChat has."""
APIV3_KEY = "mock-apiv3-key-mock-apiv3-key-32"
STARTS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
"""Of the certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """WeChat's, in PEM; its pair signs answers too."""

    serial: str
    pem: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the merchant needs, and what WeChat knows of it."""

    keys: Keys
    merchant_public_key: str


@cache
def credentials() -> Credentials:
    public = signing_pair("wechatpay merchant")[1]
    keys = Keys(
        mchid=MCHID,
        appid=APPID,
        merchant_serial=MERCHANT_SERIAL,
        merchant_private_key=_pkcs8(pair("wechatpay merchant")),
        public_key_id=PUBLIC_KEY_ID,
        public_key=signing_pair("wechatpay")[1],
        apiv3_key=APIV3_KEY,
    )
    return Credentials(keys, public)


@cache
def signers() -> Mapping[str, Signer]:
    """What WeChat may sign with, by serial number or id."""
    own = certificate()
    return {
        PUBLIC_KEY_ID: Signer(PUBLIC_KEY_ID, signing_pair("wechatpay")[0]),
        own.serial: Signer(own.serial, signing_pair("wechatpay certificate")[0]),
    }


def stranger(serial: str) -> Signer:
    """Somebody else, who says that his key is the one of that serial number or id."""
    return Signer(serial, stranger_pem())


@cache
def certificate() -> Certificate:
    pem = made("certificate wechatpay", _certificate)
    return Certificate(serial_of(pem), pem)


def _certificate() -> str:
    key = pair("wechatpay certificate")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mock of WeChat Pay")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(STARTS)
        .not_valid_after(ENDS)
        .sign(key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def _pkcs8(key: rsa.RSAPrivateKey) -> str:
    """The form in which WeChat hands keys out, and the only one that some SDKs read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
