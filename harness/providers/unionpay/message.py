"""UnionPay's messages: flat fields, signed twice over; it knows no transaction.

A message is signed over the hexadecimal SHA-256 of its canonical string, by SHA256withRSA. A
request is a form; an answer has the same look with nothing percent-encoded, and holds the
certificate of the key that signed it. Both are as the official SDK writes and reads them (SDKUtil
of acpsdk 5.1.0).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from harness.providers import rsa2
from harness.providers.unionpay.certificates import trusted_key

SIGNATURE, CERTIFICATE = "signature", "signPubKeyCert"

COMMON = {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "accessType": "0"}
"""What every message says: 01 is by RSA, 0 that the merchant is connected itself."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The provider's signing key and the certificate that goes with it, in PEM."""

    private_pem: str
    certificate_pem: str

    def __repr__(self) -> str:
        return "Signer()"


def signed(private_pem: str, fields: Mapping[str, str]) -> dict[str, str]:
    return {**fields, SIGNATURE: rsa2.sign(private_pem, _text(fields))}


def is_signed(public_pem: str, fields: Mapping[str, str]) -> bool:
    return rsa2.verify(public_pem, _text(fields), fields.get(SIGNATURE, ""))


def is_believed(anchors_pem: str, fields: Mapping[str, str], now_s: float) -> bool:
    """Whether UnionPay signed it, by the certificate that it holds."""
    if (fields.get("version"), fields.get("signMethod")) != ("5.1.0", "01"):
        return False
    key = trusted_key(fields.get(CERTIFICATE, ""), anchors_pem, now_s)
    return key is not None and is_signed(key, fields)


def fields_of_form(encoded: bytes) -> dict[str, str]:
    return dict(parse_qsl(encoded.decode("utf-8", "replace"), errors="replace"))


def fields_of_answer(body: bytes) -> dict[str, str]:
    """An & after { or [ belongs to the value, up to what closes it. No UTF-8 is a ValueError."""
    return {found[1]: found[2] for found in _FIELD.finditer(body.decode())}


def body_of(fields: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in fields.items()).encode()


def stamp(unix_s: float) -> str:
    """A time of day as this wire writes it, in Beijing."""
    told = datetime.fromtimestamp(int(unix_s), UTC) + timedelta(hours=8)
    return told.strftime("%Y%m%d%H%M%S")


def _text(fields: Mapping[str, str]) -> bytes:
    return hashlib.sha256(rsa2.canonical(fields, (SIGNATURE,))).hexdigest().encode()


# A name begins where the field before it has ended, and an open brace may stay open: else each
# character could be looked at once for each before it.
_FIELD = re.compile(r"(?<![^&])([^=&]+)=((?:\{[^}]*\}?|\[[^\]]*\]?|[^&{\[])*)")
