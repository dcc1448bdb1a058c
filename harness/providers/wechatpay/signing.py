"""Signatures, seals and keys of WeChat Pay's APIv3; it reads no clock and draws no nonce.

The rules are those of pay.weixin.qq.com (doc/v3/merchant: signing, verifying, decrypting) and of
the sources of wechatpay-go. A request is signed over five lines: method, path with query, time,
nonce, body; an answer or a notice over three: time, nonce, body. Each line ends with a line feed,
the last one too, and the body is signed as the bytes that are sent. With a signature that begins
with WECHATPAY/SIGNTEST/ WeChat tries whether it is looked at: it is a bad one like any other.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness.providers import rsa2

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SKEW_S = 300
"""A message whose time is so far off, or further, is not believed."""
SERIAL_HEADER = "Wechatpay-Serial"
"""Of a request: the key that its answer shall be signed with; of an answer: the one that it is."""

_TIME_HEADER, _NONCE_HEADER = "Wechatpay-Timestamp", "Wechatpay-Nonce"
_SIGNATURE_HEADER, _TYPE_HEADER = "Wechatpay-Signature", "Wechatpay-Signature-Type"
_AES = "AEAD_AES_256_GCM"
_FIELD = re.compile(r'([a-z_]{1,20})="([!#-~]{1,1000})"')
_WHOLE = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a message is signed, in seconds of the day's clock, and a word that is used once."""

    now_s: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key in PEM, and the serial number or id that the other side knows it by."""

    serial: str
    private_pem: str

    def __repr__(self) -> str:
        return f"Signer({self.serial})"


class Sealed(msgspec.Struct, frozen=True):
    """What only the owner of the APIv3 key can read."""

    nonce: str
    ciphertext: str
    algorithm: str = _AES
    associated_data: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its own signature."""

    mchid: str
    serial: str
    stamp: Stamp
    signature: str

    def is_late(self, now_s: int) -> bool:
        return abs(now_s - self.stamp.now_s) >= SKEW_S


# Requests


def authorization(signer: Signer, mchid: str, method: str, target: str, stamp: Stamp,
                  body: bytes) -> str:  # fmt: skip
    """The Authorization header; `target` is path and query as they are sent."""
    signature = rsa2.sign(signer.private_pem, request_text(method, target, stamp, body))
    fields = {
        "mchid": mchid,
        "nonce_str": stamp.nonce,
        "timestamp": str(stamp.now_s),
        "serial_no": signer.serial,
        "signature": signature,
    }
    return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in fields.items())


def claim_of(header: str) -> Claim | None:
    """None where it is no such header. Its fields may come in any order."""
    scheme, _, rest = header.partition(" ")
    fields = dict(_FIELD.findall(rest))
    wanted = [fields.get(name, "") for name in ("mchid", "serial_no", "nonce_str", "signature")]
    if scheme != SCHEME or not all(wanted) or not _WHOLE.fullmatch(fields.get("timestamp", "")):
        return None
    mchid, serial, nonce, signature = wanted
    return Claim(mchid, serial, Stamp(int(fields["timestamp"]), nonce), signature)


def request_text(method: str, target: str, stamp: Stamp, body: bytes) -> bytes:
    return _lines(method.encode(), target.encode(), *_bytes(stamp), body)


# Answers and notices


def seal_headers(signer: Signer, stamp: Stamp, body: bytes) -> dict[str, str]:
    return {
        _TIME_HEADER: str(stamp.now_s),
        _NONCE_HEADER: stamp.nonce,
        SERIAL_HEADER: signer.serial,
        _TYPE_HEADER: SCHEME,
        _SIGNATURE_HEADER: rsa2.sign(signer.private_pem, _lines(*_bytes(stamp), body)),
    }


def is_far(headers: Mapping[str, str], now_s: int) -> bool:
    """Whether the sender's clock is so far off ours that neither takes what the other signs. The
    word of an answer that nobody has proven: it is good for telling, and for nothing else."""
    time = headers.get(_TIME_HEADER, "")
    return bool(_WHOLE.fullmatch(time)) and abs(now_s - int(time)) >= SKEW_S


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether it claims to be signed at all, rightly or wrongly."""
    return bool(headers.get(_SIGNATURE_HEADER))


def doubt(headers: Mapping[str, str], body: bytes, keys: Mapping[str, str], now_s: int) -> str:
    """Why the message is not believed to be WeChat's, "" where it is. `keys` are WeChat's public
    keys or certificates in PEM, by serial number or id. The headers' names match in any case, as
    those of httpx do."""
    told = [headers.get(name, "") for name in (_TIME_HEADER, _NONCE_HEADER, _SIGNATURE_HEADER)]
    time, nonce, signature = told
    if not all(told):
        return "it is not signed"
    if not _WHOLE.fullmatch(time) or abs(now_s - int(time)) >= SKEW_S:
        return "it was signed at another time"
    key = keys.get(headers.get(SERIAL_HEADER, ""))
    if not key:
        return "it is signed with an unknown key"
    text = _lines(time.encode(), nonce.encode("utf-8", "surrogateescape"), body)
    return "" if rsa2.verify(public_pem_of(key), text, signature) else "its signature is wrong"


# Seals


def seal(key: str, text: bytes, nonce: str, associated_data: str) -> Sealed:
    sealed = AESGCM(key.encode()).encrypt(nonce.encode(), text, associated_data.encode())
    return Sealed(nonce, base64.b64encode(sealed).decode(), _AES, associated_data)


def unseal(key: str, sealed: Sealed) -> bytes | None:
    """None where it was not sealed with this key, or not so."""
    if sealed.algorithm != _AES:
        return None
    try:
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
        nonce, data = sealed.nonce.encode(), sealed.associated_data.encode()
        return AESGCM(key.encode()).decrypt(nonce, ciphertext, data)
    except (InvalidTag, ValueError):
        # A nonce of another length or half a tag is a ValueError; so is a text that is no base64.
        return None


# Certificates


@cache
def public_pem_of(pem: str) -> str:
    """The public key itself, of a certificate in PEM; any other PEM is given back as it is."""
    if "BEGIN CERTIFICATE" not in pem:
        return pem
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except ValueError:
        raise ValueError("the certificate is not one in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the certificate's key is not RSA")
    return rsa2.public_pem(key)


def serial_of(certificate_pem: str) -> str:
    """As WeChat writes it: hexadecimal, in capitals. SDKs do not agree on a nought before it."""
    return f"{x509.load_pem_x509_certificate(certificate_pem.encode()).serial_number:X}"


def _lines(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _bytes(stamp: Stamp) -> tuple[bytes, bytes]:
    return str(stamp.now_s).encode(), stamp.nonce.encode()
