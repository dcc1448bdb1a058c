"""`mocks serve --workers`: several processes that serve, and one truth behind them."""

import http.client
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from harness.providers import wechat_ai
from harness.providers.call import Call, Endpoint
from mocks.profile import FOLDER
from tests.cli.processes import children, running, until
from tests.cli.serving import CHAT, PATIENCE_S, Serving, serving

pytestmark = pytest.mark.socket

T = TypeVar("T")
AT_ONCE = 12
"""Connections. That all of them came to one of two workers would be one chance in 2,048."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("served")
    quick = [*_quick(folder, "stripe"), *_quick(folder, "wechat-ai")]
    with serving(folder, "--workers", "2", "--log", "log", *quick) as run:
        yield run
        workers = children(run.process.pid)
        assert len(workers) == 2
        with ThreadPoolExecutor(1) as pool:
            before = len(run.get("/_spans").json()["spans"])
            under_way = pool.submit(_call, _payment(run, "the last"))
            until(lambda: len(run.get("/_spans").json()["spans"]) > before)
            assert run.end() == 0
            assert under_way.result()[0] == 200
        assert not any(running(worker) for worker in workers)
    (line,) = run.err.splitlines()
    told = re.fullmatch(r"tollbench: served ([\d,]+) calls in \d+ s \(.*\)", line)
    assert told
    _, *lines = (folder / "log").read_text().splitlines()
    assert int(told[1].replace(",", "")) == len(lines)
    assert all(msgspec.json.decode(line)["status"] for line in lines)


def _quick(folder: Path, name: str) -> tuple[str, str]:
    """The shipped profile, but its delays are 300 ms and little more: that is longer than it takes
    to open a few connections."""
    shipped = (FOLDER / f"{name}.toml").read_text("utf-8")
    quick = re.sub(r"\bp(\d\d)_ms = .*", r"p\1_ms = 3\1.0", shipped)
    (folder / f"{name}.toml").write_text(quick)
    return "--profile", f"{name}.toml"


def _call(request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
    """On a connection of its own."""
    connection = http.client.HTTPConnection(request.url.host, request.url.port, timeout=PATIENCE_S)
    target = request.url.raw_path.decode()
    try:
        connection.request(request.method, target, request.content, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, httpx.Headers(answer.getheaders()), answer.read()
    finally:
        connection.close()


def _payment(served: Serving, idempotency_key: str) -> httpx.Request:
    provider = served.told["providers"]["stripe"]
    order = {"amount": "4580", "currency": "cny", "confirm": "true"}
    card = {"payment_method": "pm_card_visa", "payment_method_types[]": "card"}
    headers = {"authorization": f"Bearer {provider['key']}", "idempotency-key": idempotency_key}
    url = provider["url"] + "/v1/payment_intents"
    return httpx.Request("POST", url, data={**order, **card}, headers=headers)


def _ask(call: Call[T]) -> T:
    return call.decode(*_call(call.request))


def _at_once(what: Callable[[], T]) -> list[T]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(what) for _ in range(AT_ONCE)]]


def _ledger(served: Serving, provider: str) -> list[dict[str, object]]:
    books: dict[str, list[dict[str, object]]] = served.get(f"/_ledger?provider={provider}").json()
    return books[provider]


def test_every_connection_finds_the_same_house(served: Serving) -> None:
    def health() -> tuple[int, int]:
        _, _, body = _call(httpx.Request("GET", served.told["base_url"] + "/_health"))
        told = json.loads(body)
        return told["workers"], told["seed"]

    assert set(_at_once(health)) == {(2, 1)}


def test_an_idempotency_key_that_comes_by_many_connections_at_once_pays_once(
    served: Serving,
) -> None:
    def pay() -> int:
        return _call(_payment(served, "lunch"))[0]

    statuses = sorted(_at_once(pay))
    assert statuses == [200] + [409] * (AT_ONCE - 1)
    assert set(_at_once(pay)) == {200}
    (entry,) = _ledger(served, "stripe")
    assert (entry["state"], entry["amount_minor"]) == ("paid", 4580)


def test_a_token_of_one_connection_pays_on_every_other_and_an_order_is_booked_once(
    served: Serving,
) -> None:
    provider = served.told["providers"]["wechat-ai"]
    at = Endpoint(provider["url"], provider["key"])
    opened = _ask(wechat_ai.open_session(at, "ada", "balance"))
    key = _ask(wechat_ai.fetch_key(at))
    assert isinstance(opened, wechat_ai.Session)
    token, order = opened.session_token, wechat_ai.Order("o-1", "ada", "balance", 4580)

    def pay() -> object:
        return _ask(wechat_ai.transact(at, "pay.authorize", token, key, order))

    receipts = _at_once(pay)
    assert all(isinstance(receipt, wechat_ai.Receipt) for receipt in receipts)
    assert len(set(map(repr, receipts))) == 1
    (entry,) = _ledger(served, "wechat-ai")
    assert (entry["order_no"], entry["state"]) == ("o-1", "paid")


def test_streams_and_their_journal_come_by_any_worker(served: Serving) -> None:
    provider = served.told["providers"]["openai"]
    since = served.get("/_spans").json()["clock_s"]

    def stream() -> bytes:
        request = httpx.Request(
            "POST",
            provider["url"] + "/chat/completions",
            json={**CHAT, "stream": True},
            headers={"authorization": f"Bearer {provider['key']}"},
        )
        return _call(request)[2]

    assert all(body.endswith(b"data: [DONE]\n\n") for body in _at_once(stream))
    spans = served.get(f"/_spans?since={since!r}").json()["spans"]
    assert len(spans) == AT_ONCE
    assert all(span["work_ms"] > 0 for span in spans)


def test_what_is_turned_down_at_the_door_is_counted_with_the_rest(served: Serving) -> None:
    port = urlsplit(served.told["base_url"]).port
    url = f"http://127.0.0.1:{port}/openai/v1/chat/completions"
    status, _, _ = _call(httpx.Request("POST", url, content=b"x" * 1_100_000))
    assert status == 413


def test_a_worker_that_is_killed_ends_the_serving_with_a_line_and_a_code(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        workers = children(server.process.pid)
        victim, _ = min(workers)
        os.kill(victim, signal.SIGKILL)
        _, err = server.process.communicate(timeout=PATIENCE_S)
        assert server.process.returncode == 4
    line, served = err.splitlines()
    assert line == "tollbench: the serving ended, as a worker ended with code -9"
    assert served.startswith("tollbench: served 0 calls")
    assert not any(running(worker) for worker in workers)


@pytest.mark.thorough
def test_workers_end_with_the_books_however_those_end(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        workers = children(server.process.pid)
        server.end(signal.SIGKILL)
        until(lambda: not any(running(worker) for worker in workers))
