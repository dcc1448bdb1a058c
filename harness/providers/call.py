"""What a client of any wire hands to a flow: one request and how to read its answer.

A refusal by the provider's rules (declined, expired token) is a value that `decode` returns.
An exception from here means that the provider broke its side of the wire:

    ProviderFault
      Unreachable     no whole answer: connection lost, or patience ran out
      Overloaded      it answered that it cannot serve now: 500, 503, 529
        RateLimited   it answered that we ask too often: 429
      Unauthorized    it does not take our key: 401, 403
      Malformed       it answered with something that the wire does not allow

Anything else that is raised is a bug of ours. `cause` says why a call failed in words that every
call shares which failed alike: what a run's failures are grouped by.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import httpx
import msgspec

from harness.providers.lean import LeanRequest, LeanURL, NamedHeaders, Pairs

T = TypeVar("T")

Told = tuple[tuple[str, str], ...]
"""Headers, each name with its value."""

UNREADABLE = (ValueError, RecursionError)
"""What decoding foreign JSON can raise: broken UTF-8 and too deep nesting are no DecodeError."""

MOST_CODE, MOST_WHAT, MOST_FOREIGN = 80, 100, 500
"""Characters of a provider's codes and of our own words in a cause, and of what is looked at."""
NOT_SHOWN = "(not shown)"

_NUMBER = re.compile(r"[0-9]{1,5}")
_NAME = re.compile(r"[0-9]{0,2}[A-Za-z]{1,40}[0-9]{0,2}|[0-9]*")
_JOINTS = re.compile(r"[_.:/-]")
_NUMBER_WITHIN = re.compile(r"(?<![0-9A-Za-z])[0-9]+(?![0-9A-Za-z])")
_NOT_PRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is, and what opens it; keys are never printed.

    `account` is who the key belongs to, where a wire names both; `peer_key` is the provider's own
    public key in PEM, where it signs its answers. `key_id` and `peer_key_id` are what the wire
    calls these keys by, and `app` is which of the account's apps asks, where it has such names.
    """

    base_url: str
    key: str
    account: str = ""
    peer_key: str = ""
    key_id: str = ""
    peer_key_id: str = ""
    app: str = ""

    def url(self, path: str) -> httpx.URL:
        return _url(self.base_url + path)

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url})"


@lru_cache(4096)
def _url(text: str) -> httpx.URL:
    # Parsing a URL costs as much as all else in making a request, and most are asked again.
    return LeanURL(text)


class Call(msgspec.Struct, Generic[T], frozen=True):
    """`decode` takes status, headers and the whole body, and is pure; it raises ProviderFault."""

    provider: str
    request: httpx.Request
    decode: Callable[[int, httpx.Headers, bytes], T]


class ProviderFault(Exception):
    """The provider did not keep its side of the wire.

    `told` is for whoever reads of this one fault. The rest is for grouping: the answer's `status`,
    0 where that is none of an error; the provider's own `code`, as far as it looks like one; and
    `what` happened, in words of ours that hold nothing foreign. By default that is `told` where
    there is neither status nor code; what stands in it behind a colon is then taken for a code.
    """

    def __init__(
        self, told: str = "", *, status: int = 0, code: str = "", what: str | None = None
    ) -> None:
        super().__init__(told)
        self.status = status if 300 <= status <= 599 else 0
        self.code = code_name(code)
        if what is None:
            ours, colon, code = ("", "", "") if status or code else told.partition(": ")
            what = f"{ours}{colon}{code_name(code)}"
        self.what = what


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


def fault_of(status: int, told: str = "", code: str = "") -> ProviderFault:
    """The fault that an error status stands for. `code` is the provider's own for it; `told` is by
    default the two of them."""
    told = told or f"{status} {code_name(code)}".rstrip()
    return _kind(status)(told, status=status, code=code)


def late_fault(status: int, code: str) -> ProviderFault:
    """Told inside an answer whose own status was good; `status` is what it would have been."""
    told = f"error in mid-stream: {code_name(code)}".rstrip(": ")
    return _kind(status)(told, code=code, what="in mid-stream")


def cause(fault: ProviderFault) -> str:
    """The kind of fault, the status, the provider's code and what happened, as far as each is
    known: "RateLimited 429 FREQUENCY_LIMITED", "Unreachable: connection refused".

    It holds nothing that is of one call only, and nothing that the provider may have copied from a
    request: no number of an order, no time, no amount, no key.
    """
    known = (type(fault).__name__, str(fault.status or ""), fault.code)
    head = " ".join(word for word in known if word)
    what = _NOT_PRINTABLE.sub("?", fault.what)[:MOST_WHAT]
    return f"{head}: {what}" if what else head


def code_name(code: str) -> str:
    """A provider's code or several, each once, as far as they look like names: `rate_limit_error`,
    `isv.app-call-limited`, `40005`. A number within a name is a #, and what may be an id or a key
    is not shown: nobody knows what a provider writes there."""
    words = dict.fromkeys(_name(word) for word in code[:MOST_FOREIGN].split())
    return " ".join(words)[:MOST_CODE]


def hold_to_order(asked: str, told: str) -> None:
    """Raises Malformed where an answer is of another order than the one that was asked for."""
    if told != asked:
        raise Malformed("the answer is of another order")


def request_of(
    method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None
) -> httpx.Request:
    """The request that `httpx.Request(method, url, headers=headers, content=content)` makes, at a
    quarter of its cost: header values must be ASCII, and what httpx looks up is known here."""
    return request_with(method, url, tuple(headers.items()), content or b"")


def request_with(method: str, url: httpx.URL, headers: Told, body: bytes) -> httpx.Request:
    """The same of headers that are pairs already, for whoever has them ready."""
    length = len(body) if body or method in _HAS_BODY else None
    named, raw = _head(url.netloc, headers, length)
    return LeanRequest(method, url, NamedHeaders(named, "ascii", raw), body)


@lru_cache(4096)
def _head(host: bytes, headers: Told, length: int | None) -> tuple[Mapping[str, str], Pairs]:
    """All headers of a request by name, and as they are written. Most requests share them with
    others, their length too, as a story's bodies differ little."""
    told = [("Host", host.decode()), *headers]
    if length is not None:
        told.append(("Content-Length", str(length)))
    named = {name.lower(): value for name, value in told}
    return named, tuple((name.encode(), value.encode("ascii")) for name, value in told)


_HAS_BODY = ("POST", "PUT", "PATCH")


def parse(body: bytes | str, shape: type[T], status: int = 0) -> T:
    """The JSON body as that struct, or Malformed, which tells the status where it is one of an
    error."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        other = isinstance(error, msgspec.ValidationError)
        what = "JSON of another shape" if other else "no JSON"
        told = f"not a {shape.__name__}: {error}"
        raise Malformed(told, status=status, what=what) from None


def _kind(status: int) -> type[ProviderFault]:
    if status == 429:
        return RateLimited
    if status in (401, 403):
        return Unauthorized
    return Overloaded if status >= 500 else Malformed


def _name(word: str) -> str:
    if _NUMBER.fullmatch(word):
        return word
    if all(_NAME.fullmatch(part) for part in _JOINTS.split(word)):
        return _NUMBER_WITHIN.sub("#", word)
    return NOT_SHOWN
