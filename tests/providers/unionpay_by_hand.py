"""UnionPay's messages signed by hand, and chains of certificates of every kind, good and bad."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from urllib.parse import urlencode

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness.providers.call import Endpoint
from tests.providers import alipay_by_hand as rsa_by_hand

MER_ID, CERT_ID = "777290058110048", "68759585097"
NOW_S = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
UNIONPAY = "041@8310000000083040@中国银联股份有限公司@00016495"
TEST_SYSTEM = "041@Z2017-11-1@00040000:SIGN@00000001"
ORDER_NO, AT = "o1234567", "20261123080000"
BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)

key = rsa_by_hand.key
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def certificate(
    name: str,
    issuer: str,
    *,
    of: Key | None = None,
    by: str = "",
    ca: bool | None = None,
    begins: datetime = BEGINS,
    ends: datetime = ENDS,
) -> str:
    """The keys are those of the names: `by` is whose signs, where that is not the issuer's."""
    owner = of or key(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(owner.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    made = builder.sign(key(by or issuer), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@cache
def anchors() -> str:
    """A root and an intermediate, as a merchant is given them."""
    return certificate("root", "root", ca=True) + certificate("middle", "root", ca=True)


@cache
def own() -> str:
    """UnionPay's certificate."""
    return certificate(UNIONPAY, "middle", ca=False)


@cache
def at() -> Endpoint:
    return Endpoint(
        "http://pay/unionpay",
        rsa_by_hand.private_pem("merchant"),
        MER_ID,
        anchors(),
        key_id=CERT_ID,
    )


def text(fields: dict[str, str]) -> str:
    """What is signed: the hexadecimal digest of the fields, which have a value, in their order."""
    told = "&".join(f"{n}={fields[n]}" for n in sorted(fields) if fields[n] and n != "signature")
    return hashlib.sha256(told.encode()).hexdigest()


def signed(fields: dict[str, str], owner: str) -> dict[str, str]:
    return {**fields, "signature": rsa_by_hand.sign(owner, text(fields))}


GOOD = {
    "accessType": "0",
    "bizType": "000201",
    "encoding": "UTF-8",
    "merId": MER_ID,
    "orderId": ORDER_NO,
    "respCode": "00",
    "respMsg": "成功[0000000]",
    "signMethod": "01",
    "tn": "712345678901234567890",
    "txnTime": AT,
    "version": "5.1.0",
}


def answer(owner: str = UNIONPAY, certificate_pem: str | None = None, **changed: str) -> bytes:
    """A good answer with some fields changed before it is signed; "" leaves one out."""
    fields = {**GOOD, "signPubKeyCert": own() if certificate_pem is None else certificate_pem}
    whole = {name: value for name, value in {**fields, **changed}.items() if value}
    return "&".join(f"{n}={v}" for n, v in signed(whole, owner).items()).encode()


def request(path: str, fields: dict[str, str], owner: str = "merchant") -> httpx.Request:
    form = fields if "signature" in fields else signed(fields, owner)
    url = f"http://pay/unionpay/gateway/api/{path}.do"
    return httpx.Request("POST", url, content=urlencode(form).encode())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
