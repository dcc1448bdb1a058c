"""SHA256withRSA over canonical strings, as Chinese payment wires sign; it knows no provider.

A canonical string is every parameter that has a value, sorted by name, as `name=value` joined by
`&`, nothing of it percent-encoded. What a wire leaves out of it is the wire's own. The signature
is PKCS#1 v1.5 (RFC 8017, 8.2), in base64 on one line.
"""

import base64
from collections.abc import Collection, Mapping
from functools import cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def canonical(params: Mapping[str, str], leave_out: Collection[str]) -> bytes:
    kept = sorted((name, value) for name, value in params.items() if value)
    return "&".join(f"{name}={value}" for name, value in kept if name not in leave_out).encode()


def sign(private_pem: str, text: bytes) -> str:
    signature = _private_key(private_pem).sign(text, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def verify(public_pem: str, text: bytes, signature: str) -> bool:
    """Whether the owner of that key signed this text. A signature in no readable form is none."""
    key = _public_key(public_pem)
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, text, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """In PKCS#1, the older of the two forms: there are SDKs that read no other."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


# A key is parsed once: that takes as long as signing with it.


@cache
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause may quote the key.
        raise ValueError("the private key is not RSA in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the private key is not RSA")
    return key


@cache
def _public_key(pem: str) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the public key is not RSA in PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the public key is not RSA")
    return key
