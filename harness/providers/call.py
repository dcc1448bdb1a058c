"""What a client of any wire hands to a flow: one request and how to read its answer.

A refusal by the provider's rules (declined, expired token) is a value that `decode` returns.
An exception from here means that the provider broke its side of the wire:

    ProviderFault
      Unreachable     no whole answer: connection lost, or patience ran out
      Overloaded      it answered that it cannot serve now: 500, 503, 529
        RateLimited   it answered that we ask too often: 429
      Unauthorized    it does not take our key: 401, 403
      Malformed       it answered with something that the wire does not allow

Anything else that is raised is a bug of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Generic, TypeVar

import httpx
import msgspec

from harness.providers.lean import LeanHeaders, LeanRequest

T = TypeVar("T")

UNREADABLE = (ValueError, RecursionError)
"""What decoding foreign JSON can raise: broken UTF-8 and too deep nesting are no DecodeError."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is, and what opens it; keys are never printed.

    `account` is who the key belongs to, where a wire names both; `peer_key` is the provider's own
    public key in PEM, where it signs its answers.
    """

    base_url: str
    key: str
    account: str = ""
    peer_key: str = ""

    def url(self, path: str) -> httpx.URL:
        return _url(self.base_url + path)

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url})"


@cache
def _url(text: str) -> httpx.URL:
    # Parsing a URL costs as much as all else in making a request, and there are only a few.
    return httpx.URL(text)


class Call(msgspec.Struct, Generic[T], frozen=True):
    """`decode` takes status, headers and the whole body, and is pure; it raises ProviderFault."""

    provider: str
    request: httpx.Request
    decode: Callable[[int, httpx.Headers, bytes], T]


class ProviderFault(Exception):
    """The provider did not keep its side of the wire."""


class Unreachable(ProviderFault):
    """No whole answer came. Whether the provider acted is not known."""


class Overloaded(ProviderFault):
    """The provider answered that it cannot serve this call now."""


class RateLimited(Overloaded):
    """The provider answered that we ask more often than it allows."""


class Unauthorized(ProviderFault):
    """The provider does not take our key, or not for this."""


class Malformed(ProviderFault):
    """The answer is not one that the wire allows."""


def fault_of(status: int, told: str) -> ProviderFault:
    """The fault that an error status stands for; `told` is what the provider said of it."""
    if status == 429:
        return RateLimited(told)
    if status in (401, 403):
        return Unauthorized(told)
    return Overloaded(told) if status >= 500 else Malformed(told)


def request_of(
    method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None
) -> httpx.Request:
    """The request that `httpx.Request(method, url, headers=headers, content=content)` makes, at a
    quarter of its cost: header values must be ASCII, and what httpx looks up is known here."""
    body = content or b""
    raw = _head(url.netloc, tuple(headers.items()))
    if body or method in _HAS_BODY:
        raw = (*raw, (b"Content-Length", b"%d" % len(body)))
    return LeanRequest(method, url, LeanHeaders(raw, "ascii"), body)


@lru_cache(256)
def _head(host: bytes, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    raw = ((name.encode(), value.encode("ascii")) for name, value in headers)
    return ((b"Host", host), *raw)


_HAS_BODY = ("POST", "PUT", "PATCH")


def parse(body: bytes | str, shape: type[T]) -> T:
    """The JSON body as that struct, or Malformed."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        raise Malformed(f"not a {shape.__name__}: {error}") from None
