"""The request as it goes out: a copy that nobody else holds, of what may be sent and nothing else.

What is judged is the copy and what is sent is the copy, so no header, body or address can become
another in between. It judges no body and sends nothing.
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

import httpx

from harness.providers.lean import LeanHeaders, LeanRequest
from harness.providers.told import DRAW_HEADER, forget_draw
from harness.providers.trace import TRACEPARENT
from harness.real.rules.models import KEY_HEADERS
from harness.real.rules.reading import unescaped
from harness.real.unsafe import Unsafe

SENT = KEY_HEADERS | {
    "accept", "accept-encoding", "alipay-request-id", "anthropic-version", "content-length",
    "content-type", "host", "idempotency-key", "openai-organization", "openai-project",
    "stripe-version", "user-agent", "wechatpay-serial",
}  # fmt: skip
"""All headers that a request may have, each of them once."""

LEFT_OUT = frozenset({
    DRAW_HEADER, TRACEPARENT, "baggage", "connection", "cookie", "expect", "forwarded",
    "proxy-authorization", "te", "tracestate", "trailer", "transfer-encoding", "upgrade",
    "x-forwarded-for", "x-forwarded-host", "x-http-method-override", "x-method-override",
})  # fmt: skip
"""Headers that say something of us, or that a request could be read by otherwise than it was
judged: whoever answers misses none of them. Any other one is refused."""
_OF_CLIENTS = ("x-stainless-", "x-stripe-client-")
"""How headers begin by which SDKs tell of the machine that they run on; left out too."""

_IN_A_HEADER = re.compile(rb"[!-~]([ -~]*[!-~])?")


def outgoing(request: httpx.Request, body: bytes) -> httpx.Request:
    """`body` is all of the request's, read by whoever calls."""
    headers = LeanHeaders(_kept(request.headers, len(body)), "ascii")
    if headers.get("host") != request.url.netloc.decode("ascii"):
        raise Unsafe("a request whose Host header is not the host that it goes to")
    if headers.get("content-length", "0") != str(len(body)):
        raise Unsafe("a request whose Content-Length is not the length of its body")
    copy = LeanRequest(request.method, request.url, headers, body)
    copy.extensions = dict(request.extensions)
    forget_draw(copy)
    if unknown := copy.extensions.keys() - {"timeout"}:
        # Some transports let these say where a connection goes.
        raise Unsafe(f"a request with the extension {min(unknown)!r}, which could lead astray")
    return copy


def leaks(request: httpx.Request, own_key: str, needles: Iterable[bytes]) -> bool:
    """Whether a key is anywhere but in the header that opens its own provider."""
    own, opening = own_key.encode(), list[bytes]()
    rest = [request.url.raw_path, request.content]
    for name, value in request.headers.raw:
        (opening if _lower(name) in KEY_HEADERS else rest).append(value)
    told, seen = b"\n".join(opening), [*_spellings(b"\n".join(rest))]
    return any(
        (needle in told and needle not in own) or any(needle in text for text in seen)
        for needle in needles
    )


def needle_of(key: str) -> bytes:
    """What a key is known by wherever it stands, a line of one that has several; b"" where it is
    too short to be known."""
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    line = lines[len(lines) // 2] if lines else ""
    return line.encode() if len(line) >= 8 else b""


def _kept(headers: httpx.Headers, length: int) -> Iterator[tuple[bytes, bytes]]:
    seen = set()
    for raw, value in headers.raw:
        name = _lower(raw)
        if name in LEFT_OUT or name.startswith(_OF_CLIENTS):
            continue
        if name not in SENT:
            raise Unsafe(f"a request with the header {name[:40]!r}, which none of ours has")
        if name in seen or not _IN_A_HEADER.fullmatch(value):
            raise Unsafe(f"a request whose header {name} is there twice, or is none")
        seen.add(name)
        # What is compressed could not be looked at.
        yield raw, b"identity" if name == "accept-encoding" else value
    if length and "content-length" not in seen:
        yield b"Content-Length", b"%d" % length


def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _spellings(text: bytes) -> Iterator[bytes]:
    """As it stands, and as a form, a URL or JSON would be read."""
    yield text
    if b"%" in text:
        yield unquote_to_bytes(text)
    if b"\\" in text:
        yield unescaped(text)
