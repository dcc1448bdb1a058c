"""The provider's sealing keys: a pair that rotates, the old one accepted for a short overlap.

Key material is fresh in every process and never reaches a row: only key ids do, and those follow
from the time alone.
"""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from harness.clock import Clock
from harness.providers import rsa2
from harness.providers import wechat_ai as wire
from mocks.figures import KeyTerms

_DAY_S = 86_400.0


class KeyRing:
    """Which key is current, and which are still accepted, at the time of the clock."""

    def __init__(self, clock: Clock, terms: KeyTerms) -> None:
        self._clock = clock
        self._origin = clock.now()
        self._rotation_s = terms.rotation_days * _DAY_S
        self._overlap_s = terms.overlap_s

    def current(self) -> wire.PublicKey:
        age = self._clock.now() - self._origin
        index = int(age // self._rotation_s)
        expires_in_s = (index + 1) * self._rotation_s + self._overlap_s - age
        return wire.PublicKey(f"key-{index}", public_pem(index), expires_in_s)

    def accepted(self, key_id: str) -> rsa.RSAPrivateKey | None:
        """The private key of that id, or None when it is retired or was never issued."""
        age = self._clock.now() - self._origin
        newest = int(age // self._rotation_s)
        oldest = int(max(0.0, age - self._overlap_s) // self._rotation_s)
        for index in range(oldest, newest + 1):
            if key_id == f"key-{index}":
                return private_key(index)
        return None


@cache
def private_key(index: int) -> rsa.RSAPrivateKey:
    """One pair an index and process: making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def public_pem(index: int) -> str:
    return wire.public_pem(private_key(index).public_key())


@cache
def signing_pair(name: str) -> tuple[str, str]:
    """The private and the public key that this party signs with, in PEM: one pair a process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return rsa2.private_pem(key), rsa2.public_pem(key.public_key())
