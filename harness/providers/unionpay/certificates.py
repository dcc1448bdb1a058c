"""Whose key a certificate holds that came with an answer: UnionPay's own, or nobody's to us.

It asks no clock and no list of what was revoked. UnionPay sends the certificate of its signing key
with every answer, so a signature alone proves nothing. The rules are those of the official SDK
(CertUtil of acpsdk 5.1.0): the certificate is valid now, a chain leads from it to a root that was
given, and the third part of its name between @ says UnionPay. The certificates of the test gateway
are signed with SHA-1, which libraries refuse today: here it is taken, under given roots alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.providers import rsa2

OWNERS = ("中国银联股份有限公司", "00040000:SIGN")
"""What UnionPay's own certificates say of their owner; the second is only of its test system, which
is the only one that is asked here."""

LONGEST = 5
"""Certificates in a chain."""

_DIGESTS = ("sha1", "sha256", "sha384", "sha512")
_NOT_READABLE = (ValueError, TypeError, UnsupportedAlgorithm)
_NOT_ISSUED = (*_NOT_READABLE, InvalidSignature)


def trusted_key(certificate_pem: str, anchors_pem: str, now_s: float) -> str | None:
    """The public key in PEM, or None where the certificate is not to be believed at that time.
    `anchors_pem` are the given roots, and what stands between them and UnionPay."""
    found = _chained(certificate_pem, anchors_pem)
    if found is None:
        return None
    key, begins, ends = found
    return key if begins <= datetime.fromtimestamp(now_s, UTC) <= ends else None


@lru_cache(64)
def _chained(certificate_pem: str, anchors_pem: str) -> tuple[str, datetime, datetime] | None:
    """The key, and the time in which the whole chain is valid; without a chain None."""
    anchors = _anchors(anchors_pem)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = certificate.public_key()
        named = _owner(certificate) in OWNERS
    except _NOT_READABLE:
        return None
    chain = _chain([certificate], anchors)
    if not named or chain is None or not isinstance(key, rsa.RSAPublicKey):
        return None
    begins = max(of.not_valid_before_utc for of in chain)
    return rsa2.public_pem(key), begins, min(of.not_valid_after_utc for of in chain)


def _chain(
    so_far: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> list[x509.Certificate] | None:
    """Up to a root: one that was given, and that has issued itself."""
    last = so_far[-1]
    if last in anchors and _issued(last, last):
        return list(so_far)
    if len(so_far) == LONGEST:
        return None
    for issuer in anchors:
        if issuer not in so_far and _may_issue(issuer) and _issued(last, issuer):
            whole = _chain([*so_far, issuer], anchors)
            if whole is not None:
                return whole
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        key, digest = issuer.public_key(), certificate.signature_hash_algorithm
        if digest is None or digest.name not in _DIGESTS or not isinstance(key, rsa.RSAPublicKey):
            return False
        signed = certificate.tbs_certificate_bytes
        key.verify(certificate.signature, signed, padding.PKCS1v15(), digest)
    except _NOT_ISSUED:
        return False
    return certificate.issuer == issuer.subject


def _may_issue(certificate: x509.Certificate) -> bool:
    """A root may be so old that it does not say so."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return _issued(certificate, certificate)
    except _NOT_READABLE:
        return False


def _owner(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    parts = str(names[0].value).split("@") if names else []
    return parts[2] if len(parts) > 2 else ""


@cache
def _anchors(pem: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(pem.encode()))
    except _NOT_READABLE:
        raise ValueError("the roots and intermediates are not certificates in PEM") from None
