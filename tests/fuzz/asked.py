"""Requests as bytes: those that our own clients send, and whatever a generator makes of them."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from hypothesis import strategies as st
from msgspec import structs

from harness.cli.casting import PAYERS
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payment, Refund
from harness.flow.wish import Wish
from harness.providers import MODELS
from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Message, Schema, Tool
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `path` is as it stands on the wire, its query included."""

    method: str
    path: str
    headers: Headers
    body: bytes

    def request(self) -> httpx.Request:
        """As the server makes it of what came over a socket."""
        url = httpx.URL(IN_PROCESS_URL + self.path)
        return httpx.Request(self.method, url, headers=list(self.headers), content=self.body)


def of(request: httpx.Request) -> Asked:
    kept = [(name, value) for name, value in request.headers.raw if name.lower() not in _OWN]
    path = request.url.raw_path.decode("ascii")
    return Asked(request.method, path, tuple(kept), request.content)


_OWN = (b"host", b"content-length", b"connection", b"user-agent", b"accept-encoding")


# What our own clients send


def payment_calls(lane: str, config: MockConfig) -> list[Asked]:
    """A whole acquaintance with a payment provider: everything that its client can ask."""
    clock, sent = VirtualClock(), list[Asked]()

    async def main() -> None:
        inbox = Inbox("http://app")
        host = Host(clock, config, deliver=inbox)

        async def carry(request: httpx.Request) -> httpx.Response:
            sent.append(of(request))
            return await host(request)

        world = World(clock, httpx.MockTransport(carry), 1, 0, True, inbox=inbox)
        flow = Flow(world, 0, 0, clock.now(), clock.now())
        profile = config.pay[lane]
        at = endpoints(IN_PROCESS_URL, config)[lane]
        payer = PAYERS[profile.provider](at, inbox, profile)
        await payer.start(flow)
        session = await payer.open_session(flow, "ada", "balance")
        if payer.has_sessions:
            session = await payer.refresh_session(flow, "ada", session)
        first, second = (
            Payment(f"o-{n}", "ada", Wish(4580, "CNY", "noodles", "balance")) for n in range(2)
        )
        for payment in (first, second):
            await payer.authorize(flow, session, payment)
        await payer.query(flow, session, first)
        await payer.refund(flow, session, first, Refund("r-0", 1000))
        await payer.void(flow, session, second)

    run("virtual", main())
    return sent


def model_calls(provider: str, model: str, config: MockConfig) -> list[Asked]:
    """Plain, streamed, with tools and with a schema."""
    schema = msgspec.Raw(
        b'{"type":"object","properties":{"word":{"type":"string"}},"required":["word"],'
        b'"additionalProperties":false}'
    )
    plain = Ask(model=model, messages=[Message("system", "Be kind."), Message("user", "Hello?")])
    asked = [
        plain,
        structs.replace(plain, stream=True, include_usage=True, max_tokens=20),
        structs.replace(
            plain, tools=[Tool("look_up", "Look it up.", schema)], tool_choice="required"
        ),
        structs.replace(plain, schema=Schema("word", schema)),
    ]
    at = endpoints(IN_PROCESS_URL, config)[provider]
    return [of(MODELS[provider].chat(at, each).request) for each in asked]


# What a generator makes of them

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]
NAMES = [
    b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"content-type", b"accept",
    b"idempotency-key", b"anthropic-version", b"stripe-version", b"x-tollbench-draw",
    b"x-portkey-api-key", b"x-portkey-config", b"x-portkey-provider", b"x-request-id",
    b"content-encoding", b"transfer-encoding", b"stripe-account", b"http-referer",
]  # fmt: skip
KINDS = [
    b"application/json", b"application/x-www-form-urlencoded", b"text/plain", b"",
    b"multipart/form-data; boundary=x", b"application/json; charset=utf-16", b"nonsense",
]  # fmt: skip
BODIES = [
    b"", b"{", b"{}", b"[]", b"null", b"0", b'""', b"NaN", b"\xff\xfe", b"\xef\xbb\xbf{}",
    b'{"model":"\\ud800"}', b'{"a":1e999}', b"[" * 50_000, b'{"a":' * 5_000, b"9" * 5_000,
    b"=&=&", b"a[b][c]=1&a[b]=2", b"a[" * 200 + b"=1", b"%", b"amount=%ff", b"\x00" * 100,
]  # fmt: skip
TEXTS = [
    "", " ", "0", "-1", "null", "\x00", "é", "\u2028", "a" * 3000, "../..", "%s{0}", "1e400",
    "999999999999999999999999", "0.1", "true", "[]", "\u0661", "\ud7ff", "card", "succeeded",
]  # fmt: skip
SEGMENTS = ["", ".", "..", "%2e%2e", "%2F", "%00", "%ff", "%", "~x", "_health", "a" * 300]
QUERIES = ["", "=", "&&", "a=%ff", "limit=x", "limit=-1", "alt=sse", "%", "key=x"]

# What a server lets through: no control character but the tab.
values = st.binary(max_size=40).map(lambda raw: bytes(c for c in raw if c == 9 or 32 <= c != 127))
words = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(codec="utf-8"), max_size=20))
json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), words,
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def other_paths(draw: st.DrawFn, path: str) -> str:
    """A segment put in, left out, or in another's place, below the provider's; or another query."""
    path, _, query = path.partition("?")
    parts = path.split("/")
    at = draw(st.integers(2, len(parts)))
    segment = draw(st.sampled_from(SEGMENTS))
    path = "/".join(draw(st.sampled_from([
        parts, [*parts[:at], segment, *parts[at:]], parts[:at] + parts[at + 1 :],
        [*parts[:at], segment, *parts[at + 1 :]],
    ])))  # fmt: skip
    if query and draw(st.booleans()):
        query = draw(other_forms(query.encode())).decode()
    elif draw(st.booleans()):
        query = draw(st.sampled_from(QUERIES))
    return f"{path}?{query}" if query else path


@st.composite
def other_headers(draw: st.DrawFn, headers: Headers) -> Headers:
    """One left out, given a value that means nothing, or added."""
    name = draw(st.sampled_from([*[name.lower() for name, _ in headers], *NAMES]))
    rest = tuple((n, v) for n, v in headers if n.lower() != name)
    if draw(st.booleans()):
        return rest
    value = draw(st.sampled_from(KINDS) if name == b"content-type" else values)
    return (*rest, (name, value))


@st.composite
def other_bodies(draw: st.DrawFn, body: bytes) -> bytes:
    """Cut off, replaced, or with one of its values replaced."""
    how = draw(st.sampled_from(["value", "value", "value", "cut", "other", "noise"]))
    if how == "cut":
        return body[: draw(st.integers(0, len(body)))]
    if how == "other":
        return draw(st.sampled_from(BODIES))
    if how == "noise":
        return draw(st.binary(max_size=60))
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return draw(other_forms(body))
    return msgspec.json.encode(draw(other_values(value)))


@st.composite
def other_values(draw: st.DrawFn, value: Any) -> Any:
    """The same but for one value somewhere in it, or one that was added."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 5)) == 0:
            return {n: v for n, v in value.items() if n != name}
        return {**value, name: draw(other_values(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(other_values(value[at])), *value[at + 1 :]]
    return draw(json)


@st.composite
def other_forms(draw: st.DrawFn, body: bytes) -> bytes:
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True) or [("a", "b")]
    at = draw(st.integers(0, len(pairs) - 1))
    name, value = pairs[at]
    made = {
        "name": [(draw(words), value)],
        "value": [(name, draw(words))],
        "out": [],
        "twice": [(name, value), (name, draw(words))],
        "deeper": [(f"{name}[{draw(st.sampled_from(['', '0', 'a', '[', ']']))}]", value)],
    }[draw(st.sampled_from(["name", "value", "value", "out", "twice", "deeper"]))]
    return urlencode(pairs[:at] + made + pairs[at + 1 :]).encode()


@st.composite
def spoiled(draw: st.DrawFn, asked: Asked) -> Asked:
    """The request with one to three of its parts spoiled."""
    for part in draw(st.lists(st.sampled_from(["method", "path", "headers", "body", "body"]),
                              min_size=1, max_size=3)):  # fmt: skip
        if part == "method":
            asked = replace(asked, method=draw(st.sampled_from(METHODS)))
        elif part == "path":
            asked = replace(asked, path=draw(other_paths(asked.path)))
        elif part == "headers":
            asked = replace(asked, headers=draw(other_headers(asked.headers)))
        else:
            asked = replace(asked, body=draw(other_bodies(asked.body)))
    return asked
