"""The provider's sealing keys: a pair that rotates, the old one accepted for a short overlap.

Key material is fresh in every process and never reaches a row: only key ids do, and those follow
from the time and from the rotations that came early.
"""

import re
from bisect import bisect_right
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from harness.clock import Clock
from harness.providers import rsa2
from harness.providers import wechat_ai as wire
from mocks.figures import KeyTerms
from mocks.key_material import pair

_DAY_S = 86_400.0


class KeyRing:
    """Which key is current, and which are still accepted, at the time of the clock."""

    def __init__(self, clock: Clock, terms: KeyTerms) -> None:
        self._clock = clock
        self._origin = clock.now()
        self._rotation_s = terms.rotation_days * _DAY_S
        self._overlap_s = terms.overlap_s
        self._early: list[float] = []
        """The ages of the ring at which it rotated before its time."""

    def current(self) -> wire.PublicKey:
        """A key that came early ends with the others of its thirty days."""
        age = self._age()
        period = int(age // self._rotation_s) + 1
        expires_in_s = period * self._rotation_s + self._overlap_s - age
        index = self._index(age)
        return wire.PublicKey(f"key-{index}", public_pem(index), expires_in_s)

    def accepted(self, key_id: str) -> rsa.RSAPrivateKey | None:
        """The private key of that id, or None when it is retired or was never issued."""
        named = _ID.fullmatch(key_id)
        if named is None:
            return None
        age, index = self._age(), int(named[1])
        current = self._index(age)
        known = index == current or self._index(age - self._overlap_s) <= index < current
        return private_key(index) if known else None

    def rotate(self, key_id: str) -> None:
        """The key of that id has a successor from now on, if it has none yet."""
        age = self._age()
        if key_id == f"key-{self._index(age)}":
            self._early.append(age)

    def _age(self) -> float:
        return self._clock.now() - self._origin

    def _index(self, age: float) -> int:
        """Of the key that was current when the ring was so old; before it began, of the first."""
        return int(max(0.0, age) // self._rotation_s) + bisect_right(self._early, age)


_ID = re.compile(r"key-(0|[1-9]\d{0,15})", re.ASCII)

PAIRS = 6
"""After so many keys their material comes again, under ids of their own: a ring that rotates early
and often would spend its time on making pairs."""


def private_key(index: int) -> rsa.RSAPrivateKey:
    """One pair an index and process, as far as there are pairs: to make one takes a tenth of a
    second."""
    return _private_key(index % PAIRS)


def public_pem(index: int) -> str:
    return _public_pem(index % PAIRS)


def _private_key(index: int) -> rsa.RSAPrivateKey:
    return pair(f"seals {index}", wire.KEY_BITS)


@cache
def _public_pem(index: int) -> str:
    return wire.public_pem(_private_key(index).public_key())


@cache
def signing_pair(name: str) -> tuple[str, str]:
    """The private and the public key that this party signs with, in PEM: one pair a process."""
    key = pair(name)
    return rsa2.private_pem(key), rsa2.public_pem(key.public_key())
