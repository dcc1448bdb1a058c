"""The certificates of UnionPay's mock, and its one merchant's pair of keys: made once a process.

A small chain stands where CFCA's stands: a root, an intermediate and the certificate that goes with
every answer. They open nothing but a mock.
"""

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from harness.providers import rsa2
from harness.providers import unionpay as wire
from harness.providers.call import Endpoint
from harness.providers.unionpay.certificates import OWNERS
from harness.providers.unionpay.message import Signer
from mocks.faults.unknown_keys import stranger_pem
from mocks.key_material import made, pair
from mocks.keys import signing_pair

MER_ID = "777290058100001"
CERT_ID = "68759663125"
"""The serial number of the merchant's certificate, in decimal."""

_OWNER = f"041@8310000000083040@{OWNERS[0]}@00000001"
"""As the certificate of the key that signs answers is named."""
_BEGINS, _ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


def credentials() -> wire.Keys:
    return wire.Keys(MER_ID, CERT_ID, signing_pair("unionpay-merchant")[0], _chain()[1])


def endpoint_of(base_url: str, keys: wire.Keys) -> Endpoint:
    return Endpoint(
        base_url, keys.merchant_private_key, keys.mer_id, keys.roots, key_id=keys.cert_id
    )


def merchants() -> dict[str, wire.Merchant]:
    return {MER_ID: wire.Merchant(CERT_ID, signing_pair("unionpay-merchant")[1])}


def signer() -> Signer:
    return _chain()[0]


@cache
def stranger() -> Signer:
    """One who calls himself as the gateway does, by a certificate that he made himself."""
    return Signer(stranger_pem(), _certificate("stranger", _OWNER, "stranger", _OWNER))


@cache
def _chain() -> tuple[Signer, str]:
    """The gateway's signer, and what its clients are given to believe it."""
    root, middle, gateway = "unionpay root", "unionpay middle", "unionpay gateway"
    at_root, at_middle = "MOCK ROOT CA", "MOCK OCA1"
    given = [
        _certificate(root, at_root, root, at_root, is_ca=True),
        _certificate(middle, at_middle, root, at_root, is_ca=True),
    ]
    own = _certificate(gateway, _OWNER, middle, at_middle)
    return Signer(rsa2.private_pem(pair(gateway)), own), "".join(given)


def _certificate(of: str, name: str, by: str, issuer: str, *, is_ca: bool = False) -> str:
    """Of the pair `of`, signed with the pair `by`."""

    def sign() -> str:
        signed = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(pair(of).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_BEGINS)
            .not_valid_after(_ENDS)
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .sign(pair(by), hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    return made(f"certificate {of}", sign)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
