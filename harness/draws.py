"""Seeded draws, each a function of its key; nothing that this module keeps ever changes one.

A draw keyed by what is drawn, never by how many draws came before it, is what lets two strategies
face the same weather: (seed, round, conversation, turn, stage) names the same uniform in both, and
in another process, on another machine, under any PYTHONHASHSEED.
"""

import math
from functools import lru_cache, partial
from hashlib import blake2b
from statistics import NormalDist
from struct import Struct
from typing import Protocol

TO_WHOLE = 1.5 * 2.0**52
"""What it is added to and taken away from is rounded as by `round`, to even where two are as near,
at a tenth of the cost: between -2**51 and 2**51. Beyond, it is the even number next to it."""

normal = NormalDist().inv_cdf
"""The quantile of the standard normal."""

KEPT_DRAWS = 1024
"""The newest draws are known for a while: every strategy of a conversation is to meet the same, and
they are played one after the other."""


class Draw(Protocol):
    """A number strictly between 0 and 1 for each key."""

    def __call__(self, *key: int | str) -> float: ...


def _known(draw: Draw) -> Draw:
    # By the types of a key's parts too: True is equal to 1, and spelled otherwise.
    return lru_cache(KEPT_DRAWS, typed=True)(draw)


@_known
def uniform(*key: int | str) -> float:
    """A number strictly between 0 and 1 that only the key decides, which begins with the seed."""
    digest = _NOTHING.copy()
    digest.update((("%s\x1f" * len(key))[:-1] % key).encode())
    return between_0_and_1(digest.digest())


def uniforms(*begin: int | str) -> Draw:
    """`uniform` for all keys that begin so; it takes the rest of the key."""
    return partial(uniform, *begin)


def between_0_and_1(digest: bytes) -> float:
    """The number that eight bytes make, which is neither of both ends."""
    bits: int = _BITS.unpack(digest)[0]
    # 52 bits and a half step are exact in a double and keep both ends out, where quantiles are
    # infinite; with 53 bits the last step would round up to 1.
    return (bits >> 12) * 2.0**-52 + 2.0**-53


def lognormal(u: float, p50: float, p99: float) -> float:
    """The u-quantile of the lognormal with this median and 99th percentile.

    ln X is normal with mean ln p50 and deviation ln(p99/p50) / z(0.99).
    """
    return p50 * math.exp(lognormal_sigma(p50, p99) * normal(u))


def lognormal_sigma(p50: float, p99: float) -> float:
    """How far the logarithm of such a lognormal spreads."""
    return math.log(p99 / p50) / _Z99


def exponential(u: float, mean: float) -> float:
    """The u-quantile of the exponential with this mean."""
    return -mean * math.log1p(-u)


def microseconds(seconds: float) -> float:
    """Rounded to a whole microsecond, so that a last-bit difference between two machines'
    logarithms cannot reach a recorded time."""
    micros = seconds * 1e6
    if _LEAST < micros < _MOST:
        return (micros + TO_WHOLE - TO_WHOLE) / 1e6
    return round(micros) / 1e6


def milliseconds(seconds: float) -> float:
    """The same, in milliseconds."""
    micros = seconds * 1e6
    if _LEAST < micros < _MOST:
        return (micros + TO_WHOLE - TO_WHOLE) / 1e3
    return round(micros) / 1e3


_LEAST, _MOST = -(2.0**51), 2.0**51
_NOTHING = blake2b(digest_size=8)
"""A digest of nothing yet: to copy one is faster than to make one."""
_BITS = Struct("<Q")
_Z99 = normal(0.99)
