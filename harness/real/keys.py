"""Keys as the environment gives them: their text, bare base64, or a file; never shown.

What is wrong with one is said in words that hold nothing of it.
"""

import base64
import re
import textwrap
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from harness.providers import rsa2

MOST_FILE = 65_536
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{100,}={0,2}\s*", re.ASCII)


class BadKey(Exception):
    """What is wrong with what the variable holds, as it goes on after "is" or "holds"."""


def private_key(value: str) -> str:
    """An RSA private key in PEM, from PEM, from the base64 inside of it, or from a file of one."""
    text = _text_of(value)
    for pem in _forms(text, "PRIVATE KEY", "RSA PRIVATE KEY"):
        try:
            key = serialization.load_pem_private_key(pem.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, rsa.RSAPrivateKey):
            return rsa2.private_pem(key)
    raise BadKey("holds no RSA private key: give its PEM, the base64 of it, or a file's path")


def public_key(value: str) -> str:
    """The same of a public one; a certificate stands for its own."""
    text = _text_of(value)
    for pem in _forms(text, "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"):
        try:
            key = (
                x509.load_pem_x509_certificate(pem.encode()).public_key()
                if "CERTIFICATE" in pem
                else serialization.load_pem_public_key(pem.encode())
            )
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, rsa.RSAPublicKey):
            return rsa2.public_pem(key)
    raise BadKey("holds no RSA public key: give its PEM, the base64 of it, or a file's path")


def certificates(path: str) -> str:
    """The certificates of that file, in PEM; one in DER is taken too."""
    raw = _bytes_of(Path(path))
    try:
        found = (
            x509.load_pem_x509_certificates(raw)
            if b"-----BEGIN" in raw
            else [x509.load_der_x509_certificate(raw)]
        )
    except ValueError:
        raise BadKey("names a file that holds no certificate") from None
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in found)


def signing_pair(path: str, password: str) -> tuple[str, str]:
    """The private key of that .pfx in PEM, and the serial number of its certificate in decimal, by
    which UnionPay calls it (certId)."""
    raw = _bytes_of(Path(path))
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(raw, password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("names a file that UNIONPAY_SIGN_CERT_PWD does not open as a .pfx") from None
    if not isinstance(key, rsa.RSAPrivateKey) or certificate is None:
        raise BadKey("names a .pfx without an RSA key and its certificate")
    return rsa2.private_pem(key), str(certificate.serial_number)


def text_in(value: str) -> str:
    """What the variable's value, or the file that it names, holds; "" where it cannot be read."""
    try:
        return _text_of(value)
    except BadKey:
        return ""


def _text_of(value: str) -> str:
    if "-----BEGIN" in value:
        # A PEM on one line, as files of variables write it.
        return value.replace("\\n", "\n")
    if _BASE64.fullmatch(value):
        return value
    return _bytes_of(Path(value.strip())).decode("utf-8", "replace")


def _bytes_of(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            raw = file.read(MOST_FILE + 1)
    except (OSError, ValueError, RuntimeError):
        raise BadKey("is neither a key nor the path of a file that can be read") from None
    if len(raw) > MOST_FILE:
        raise BadKey("names a file that is too large for a key")
    return raw


def _forms(text: str, *labels: str) -> list[str]:
    """The PEMs that the text may be: itself, or its base64 under each label."""
    if "-----BEGIN" in text:
        return [text.strip() + "\n"]
    bare = "".join(text.split())
    try:
        base64.b64decode(bare, validate=True)
    except ValueError:
        return []
    body = "\n".join(textwrap.wrap(bare, 64))
    return [f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n" for label in labels]
