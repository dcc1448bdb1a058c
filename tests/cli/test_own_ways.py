"""Two ways to the mocks on the real clock: clients of httpx as they stand, and any other by the
base URL that a turn gives it. What is measured is the same.

Every figure that the mocks decide is equal to the microsecond. What a call took is compared with
that, and only from below: how long this machine takes is no claim.
"""

import asyncio
import contextlib
import json
import math
import os
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from harness.cli.own_flow import BadFlow
from harness.flow.own import OwnTurn
from harness.providers.trace import Trace, encode_traceparent, number_of, trace_id_of
from harness.record import Rows, SpanRow
from tests.cli.own_ways import played, served_once

pytestmark = pytest.mark.socket

SAID = {"model": "gpt-4o", "messages": [{"role": "user", "content": "please pay 12.50 CNY"}]}
CARD = {
    "amount": "1099", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
}  # fmt: skip
CHAT, PAY = "/chat/completions", "/v1/payment_intents"


@pytest.fixture(scope="module", autouse=True)
def mocks_url() -> Iterator[str]:
    with served_once() as url:
        yield url


async def by_httpx(turn: OwnTurn) -> str:
    """Unmodified, at their public addresses."""
    async with httpx.AsyncClient(timeout=30, headers=KEY, trust_env=False) as client:
        with turn.stage("intent"):
            await _streamed(client, "https://api.openai.com/v1" + CHAT)
        with turn.stage("pay"):
            paid = await client.post("https://api.stripe.com" + PAY, data=CARD)
            assert paid.status_code == 200
        await client.post("https://api.openai.com/v1" + CHAT, json={**SAID, "model": "none"})
    return "paid"


async def by_address(turn: OwnTurn) -> str:
    """A client in a thread, aiohttp's, and one in another process."""
    openai, stripe = turn.endpoint("openai"), turn.endpoint("stripe")
    with turn.stage("intent"):
        pieces = await asyncio.to_thread(_posted, openai.base_url + CHAT, openai.key, STREAMED)
        assert pieces > 1
    with turn.stage("pay"):
        headers = {"authorization": f"Bearer {stripe.key}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(stripe.base_url + PAY, data=CARD, headers=headers) as paid,
        ):
            assert paid.status == 200 and (await paid.json())["status"] == "succeeded"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-c", ELSEWHERE, env={**os.environ, **turn.environment()}
    )
    assert await process.wait() == 0
    return "paid"


KEY = {"authorization": "Bearer their-own"}
STREAMED = {**SAID, "stream": True}
ELSEWHERE = f"""
import json, os, urllib.error, urllib.request
body = json.dumps({dict(SAID, model="none")!r}).encode()
key = os.environ["OPENAI_API_KEY"]
headers = {{"authorization": f"Bearer {{key}}", "content-type": "application/json"}}
url = os.environ["OPENAI_BASE_URL"] + {CHAT!r}
try:
    urllib.request.urlopen(urllib.request.Request(url, body, headers))
except urllib.error.HTTPError as error:
    assert error.code == 404, error.code
assert os.environ["TRACEPARENT"].startswith("00-")
"""


async def _streamed(client: httpx.AsyncClient, url: str) -> None:
    async with client.stream("POST", url, json=STREAMED) as answer:
        async for _ in answer.aiter_bytes():
            pass


def _posted(url: str, key: str, said: object) -> int:
    """How many times there was something to read."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(said).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return len(list(iter(lambda: answer.read1(65536), b"")))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return played(by_httpx, by_address, room=tmp_path_factory.mktemp("ways"))


def calls(rows: Rows, way: int) -> list[SpanRow]:
    own = [of for of in rows.spans if of.variant == f"way {way}" and of.provider]
    return sorted(own, key=lambda of: (of.round, of.conversation, of.stage, of.attempt))


def test_both_ways_make_the_same_spans(rows: Rows) -> None:
    told = [
        [
            (of.round, of.conversation, of.stage, of.provider, of.status, of.attempt,
             of.injected_ms, of.queue_ms)
            for of in calls(rows, way)
        ]
        for way in (0, 1)
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) == 4 * 3
    assert {of[2:5] for of in told[0]} == {
        ("intent", "openai", 200), ("pay", "stripe", 200), ("openai", "openai", 404)
    }  # fmt: skip


def test_a_call_took_what_the_mock_meant_and_a_stream_began_before_it_ended(rows: Rows) -> None:
    for way in (0, 1):
        for of in calls(rows, way):
            assert (of.end_s - of.start_s) * 1e3 >= of.injected_ms
            assert of.stage != "intent" or of.start_s < of.first_token_s < of.end_s


def test_what_a_stage_does_by_itself_is_a_local_step_either_way(rows: Rows) -> None:
    assert {(of.outcome, of.calls) for of in rows.flows} == {("paid", 3)}
    local = {(of.variant, of.stage) for of in rows.spans if not of.provider}
    assert local == {(f"way {n}", stage) for n in (0, 1) for stage in ("intent", "pay")}


def test_every_call_carries_the_trace_of_its_turn(rows: Rows, mocks_url: str) -> None:
    traces = {
        trace_id_of(encode_traceparent(Trace(number, of.conversation, of.turn)))
        for of in rows.flows
        for number in [number_of("run", of.variant, of.round)]
    }
    seen = Counter(
        of["trace"]
        for world in (0, 1)
        for of in httpx.get(f"{mocks_url}/_spans?world={world}", trust_env=False).json()["spans"]
    )
    assert len(traces) == 8 and [seen[trace] for trace in traces] == [3] * 8


# What an address is of


@cache
def _thread_pay() -> Callable[[str, str], int]:
    def pay(url: str, key: str) -> int:
        body = "&".join(f"{name}={value}" for name, value in CARD.items()).encode()
        headers = {"authorization": f"Bearer {key}"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return len(answer.read())

    return pay


async def side_by_side(turn: OwnTurn) -> None:
    async def in_stage(name: str, asked_here: bool, outside: Any) -> None:
        with turn.stage(name):
            to = turn.endpoint("stripe") if asked_here else outside
            await asyncio.to_thread(_thread_pay(), to.base_url + PAY, to.key)

    outside = turn.endpoint("stripe")
    await asyncio.gather(in_stage("left", True, None), in_stage("right", True, None))
    with turn.stage("around"):
        inside = turn.endpoint("stripe")
        await asyncio.gather(in_stage("one", False, inside), in_stage("two", False, outside))


def test_stages_side_by_side_have_their_own_calls_by_where_they_asked(tmp_path: Path) -> None:
    found = played(side_by_side, room=tmp_path, rounds=1, turns=1)
    stages = sorted(of.stage for of in found.spans if of.provider)
    assert stages == ["around", "around", "left", "right"]


def test_a_client_that_hangs_up_has_a_span_up_to_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    come: list[asyncio.Event] = []
    as_it_is = OwnTurn.send_in

    async def send_in(turn: OwnTurn, *what: Any) -> Any:
        come[-1].set()
        return await as_it_is(turn, *what)

    async def impatient(turn: OwnTurn) -> None:
        come.append(asyncio.Event())
        at = turn.endpoint("openai")
        headers = {"authorization": f"Bearer {at.key}"}
        async with aiohttp.ClientSession() as session:
            asking = asyncio.create_task(
                session._request("POST", at.base_url + CHAT, json=SAID, headers=headers)
            )
            await come[-1].wait()
            asking.cancel()
            await asyncio.wait([asking])

    monkeypatch.setattr(OwnTurn, "send_in", send_in)
    found = played(impatient, room=tmp_path, rounds=1, turns=1)
    (span,) = found.spans
    assert (span.stage, span.provider, span.status) == ("openai", "openai", 0)
    assert math.isnan(span.injected_ms)


LARGE = {"model": "gpt-4o", "messages": [{"role": "user", "content": "pay " * 500_000}]}


async def large_by_httpx(turn: OwnTurn) -> None:
    async with httpx.AsyncClient(timeout=30, headers=KEY, trust_env=False) as client:
        await client.post("https://api.openai.com/v1" + CHAT, json=LARGE)


async def large(turn: OwnTurn) -> None:
    at = turn.endpoint("openai")
    with contextlib.suppress(urllib.error.HTTPError):
        await asyncio.to_thread(_posted, at.base_url + CHAT, at.key, LARGE)


def test_how_large_a_request_may_be_is_the_mock_s_to_say_either_way(tmp_path: Path) -> None:
    """Two megabytes: a picture for a model."""
    found = played(large_by_httpx, large, room=tmp_path, rounds=1, turns=1)
    one, other = _called(found.spans)
    assert (one.stage, one.status) == (other.stage, other.status)


def _asking_first(url: str, key: str) -> bytes:
    """What comes before the body is sent, of a client that waits with it until it may."""
    to, body = httpx.URL(url + CHAT), json.dumps(SAID).encode()
    head = (
        f"POST {to.path} HTTP/1.1\r\nhost: mocks\r\nauthorization: Bearer {key}\r\n"
        f"content-length: {len(body)}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection((to.host, to.port), timeout=30) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            asked = answer.readline() + answer.readline()
            connection.sendall(body)
            assert b" 200 " in answer.readline()
    return asked


async def asking_first(turn: OwnTurn) -> None:
    at = turn.endpoint("openai")
    asked = await asyncio.to_thread(_asking_first, at.base_url, at.key)
    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_asks_before_it_sends_is_answered_at_once(tmp_path: Path) -> None:
    found = played(asking_first, room=tmp_path, rounds=1, turns=1)
    assert [of.status for of in _called(found.spans)] == [200]


AT_ONCE = 40
"""More than an event loop has threads for, which are 32 at most where nobody gives it more."""


async def in_many_threads(turn: OwnTurn) -> None:
    together = threading.Barrier(AT_ONCE)
    await asyncio.gather(*(asyncio.to_thread(together.wait, 20) for _ in range(AT_ONCE)))


def test_a_turn_waits_for_no_thread_that_another_has(tmp_path: Path) -> None:
    found = played(in_many_threads, room=tmp_path, rounds=1, turns=1)
    assert [of.outcome for of in found.flows] == ["ok"]


KEPT: list[str] = []


async def keeping(turn: OwnTurn) -> None:
    KEPT.append(turn.endpoint("openai").base_url)
    with pytest.raises(urllib.error.HTTPError):
        await asyncio.to_thread(_posted, KEPT[0] + CHAT, "key", SAID)


async def blocking(turn: OwnTurn) -> None:
    _posted(turn.endpoint("openai").base_url + CHAT, "key", SAID)


async def blocking_httpx(turn: OwnTurn) -> None:
    httpx.post(turn.endpoint("openai").base_url + CHAT, json=SAID)


async def nobody(turn: OwnTurn) -> None:
    to = turn.endpoint("openai").base_url.replace("openai", "nobody")
    with pytest.raises(urllib.error.HTTPError):
        await asyncio.to_thread(_posted, to, "key", SAID)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (keeping, "an address of a turn that is over: ask turn.endpoint"),
        (blocking, "give the call to asyncio.to_thread"),
        (blocking_httpx, "a synchronous client of httpx waits in real time"),
        (nobody, "there is no mock of 'nobody'"),
    ],
)
def test_what_cannot_be_played_is_told_with_its_mend(
    function: Callable[[OwnTurn], Awaitable[None]], told: str, tmp_path: Path
) -> None:
    KEPT.clear()
    with pytest.raises(BadFlow, match=told):
        played(function, room=tmp_path, rounds=1, turns=1)


async def by_httpx_in_threads(turn: OwnTurn) -> None:
    at = turn.endpoint("openai")

    def ask() -> None:
        with httpx.Client(headers={"authorization": f"Bearer {at.key}"}, trust_env=False) as client:
            assert client.post(at.base_url + CHAT, json=SAID).status_code == 200

    with turn.stage("intent"):
        await asyncio.to_thread(ask)
        async with httpx.AsyncClient(headers=KEY, trust_env=False) as client:
            assert (await client.post(at.base_url + CHAT, json=SAID)).status_code == 401
            headers = {"authorization": f"Bearer {at.key}"}
            answer = await client.post(at.base_url + CHAT, json=SAID, headers=headers)
            assert answer.status_code == 200


def test_clients_of_httpx_may_take_the_address_too_and_are_not_counted_twice(
    tmp_path: Path,
) -> None:
    found = played(by_httpx_in_threads, room=tmp_path, rounds=1, turns=1)
    assert [(of.stage, of.status, of.attempt) for of in _called(found.spans)] == [
        ("intent", 200, 1), ("intent", 401, 2), ("intent", 200, 3)
    ]  # fmt: skip


def _called(spans: Sequence[SpanRow]) -> list[SpanRow]:
    return [of for of in spans if of.provider]
