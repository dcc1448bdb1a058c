"""All that mocks make their keys and certificates of, by name: each is made at first use, once a
process, or comes from where it was kept. It knows no wire, and writes nothing itself.
"""

from collections.abc import Callable, Mapping
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.providers import rsa2

KEY_BITS, SHORT_BITS = 2048, 1024

_bits = KEY_BITS
_made: dict[str, str] = {}
_put: list[Callable[[str, str], None]] = []


def keep(before: Mapping[str, str], put: Callable[[str, str], None]) -> None:
    """What was made before, in PEM by name, is not made anew; what is made from here on is put
    there first. For a process that has made nothing yet: its clients might have it already."""
    assert not _made, "keys were made before anybody said where they are kept"
    _made.update(before)
    _put.append(put)


def made(name: str, make: Callable[[], str]) -> str:
    """What goes by that name, in PEM."""
    pem = _made.get(name)
    if pem is None:
        pem = make()
        for put in _put:
            put(name, pem)
        _made[name] = pem
    return pem


def shorten() -> None:
    """From here on this process makes its pairs of 1024 bits, but for those that a wire takes no
    shorter. They sign three times as fast, and are no longer safe: a private one can be worked out
    from its public one, by whoever has the means. So it is for worlds that are played within one
    process and speak to nobody else.

    What is signed, when and by whom stays the same; a signature is half as long. Pairs that are
    there already stay as they are.
    """
    global _bits
    _bits = SHORT_BITS


@cache
def pair(name: str, least_bits: int = 0) -> rsa.RSAPrivateKey:
    """The one of that name. It takes a tenth of a second to make. `least_bits` is for those that a
    wire takes no shorter."""
    pem = made(f"pair {name}", lambda: rsa2.private_pem(_new(max(least_bits, _bits))))
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _new(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)
