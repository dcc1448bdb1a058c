"""The door on a socket takes whatever bytes come: it answers below 500, or hangs up with whoever
hung up first, and waits for nobody for ever."""

import asyncio
import string
from collections.abc import Sequence
from functools import cache

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.cli.problems import Problems
from harness.cli.served import chosen
from harness.clock import VirtualClock, run
from harness.providers import MODELS
from harness.providers.told import DRAW_HEADER
from mocks.admin import Admin
from mocks.asgi import BODY_PATIENCE_S, Message
from mocks.door import asgi
from mocks.host import PAYMENTS, MockConfig
from mocks.worlds import Worlds
from tests.fuzz.asked import BODIES, METHODS, NAMES, SEGMENTS, values

EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)
GONE: Message = {"type": "http.disconnect"}

segments = st.one_of(
    st.sampled_from([*PAYMENTS, *MODELS, "~mine", "~", "_health", "_ledger", "_spans", "v1"]),
    st.sampled_from(SEGMENTS),
    st.text([*string.printable[:94]], max_size=12),
)
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(parts))
names = st.one_of(
    st.sampled_from(NAMES), st.text([*string.ascii_lowercase, "-"], min_size=1).map(str.encode)
)
headers = st.lists(st.tuples(names, values), max_size=4)
bodies = st.lists(st.one_of(st.sampled_from(BODIES), st.binary(max_size=50)), max_size=3)
endings = st.sampled_from(["whole", "gone", "silent"])
draws = st.one_of(
    st.sampled_from([b"0.0.0.pay.1", b"1.2.3.\xfc.1", b"-1.-1.0.a b.1", b"9" * 400, b"....", b""]),
    values,
)


@cache
def _config() -> MockConfig:
    return chosen(Problems(), "1", [], []).mocks


def _sent(
    method: str,
    path: bytes,
    query: bytes,
    given: Sequence[tuple[bytes, bytes]],
    parts: Sequence[bytes],
    ending: str,
) -> list[Message]:
    """What comes back, in less time than a call can take."""
    sent: list[Message] = []
    coming = iter(parts)

    async def receive() -> Message:
        part = next(coming, None)
        if part is not None:
            return {"type": "http.request", "body": part, "more_body": True}
        if ending == "silent":
            await asyncio.sleep(1e6)
        return GONE if ending == "gone" else {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        clock = VirtualClock()
        door = Admin(clock, Worlds(clock, _config()), 1, clock.now())
        scope = {"type": "http", "method": method, "path": "", "headers": list(given)}
        await asgi(door, clock)({**scope, "raw_path": path, "query_string": query}, receive, send)
        assert clock.now() < BODY_PATIENCE_S + 1000.0

    run("virtual", main())
    return sent


@EXAMPLES
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=st.text([*string.printable[:94]], max_size=20),
    given=headers,
    draw=draws,
    parts=bodies,
    ending=endings,
)
@example("GET", "/_spans", "since=inf&world=%00", [], b"", [], "whole")
@example("GET", "/%", "", [], b"", [], "whole")
def test_any_bytes_are_answered_below_500(
    method: str,
    path: str,
    query: str,
    given: list[tuple[bytes, bytes]],
    draw: bytes,
    parts: list[bytes],
    ending: str,
) -> None:
    all_headers = [*given, (DRAW_HEADER.encode(), draw)]
    sent = _sent(method, path.encode(), query.encode(), all_headers, parts, ending)
    if ending == "gone":
        assert sent == []
        return
    assert sent[0]["status"] < 500
    assert sent[0]["status"] == 408 or ending == "whole"
    assert not sent[-1].get("more_body")


@pytest.mark.parametrize("provider", [*PAYMENTS, *MODELS])
@given(draw=draws)
@settings(max_examples=20, deadline=None)
def test_no_draw_that_is_none_disturbs_a_provider(provider: str, draw: bytes) -> None:
    path = f"/{provider}/v1/chat/completions".encode()
    (head, *_) = _sent("POST", path, b"", [(DRAW_HEADER.encode(), draw)], [b"{}"], "whole")
    assert head["status"] < 500
    for name, value in head["headers"]:
        httpx.Headers([(name, value)])
        assert value.isascii()
