"""Spans sent to a collector: whole, in bounded requests, tried again where OTLP asks for it, and a
failure is one line that shows no secret.
"""

import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import record
from harness.cli.exits import PASS, BadInput
from harness.cli.otlp import (
    AT_ONCE,
    HEADERS,
    LONGEST_ANSWER,
    MOST_TRIES,
    Sent,
    export_and_tell,
    send,
)
from harness.cli.report import report
from harness.record import Columns, RunSummary, columns_of, sort
from tests.cli.command import tollbench
from tests.report.sample import sample_run

SECRET = "token-that-nobody-may-see"


@cache
def run() -> tuple[RunSummary, Columns]:
    summary, rows = sample_run(rounds=2, turns=30)
    sort(rows)
    return summary, columns_of(rows)


def spans_in(request: httpx.Request) -> list[dict[str, Any]]:
    (resource,) = json.loads(request.content)["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    spans: list[dict[str, Any]] = scope["spans"]
    return spans


def sent(
    answer: Callable[[httpx.Request], httpx.Response],
    *,
    url: str = "http://collector.test:4318",
    environ: dict[str, str] | None = None,
) -> tuple[Sent, list[float]]:
    """What came of it, and how long was waited."""
    waits: list[float] = []
    transport = httpx.MockTransport(answer)
    done = send(url, *run(), transport=transport, sleep=waits.append, environ=environ or {})
    return done, waits


def test_all_spans_are_sent_once_in_requests_of_bounded_size() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"partialSuccess": {}})

    done, waits = sent(answer)
    total = len(run()[1].turns) + len(run()[1].spans)
    assert done == Sent(total, total) and waits == [] and len(asked) > 2
    sizes = [len(spans_in(request)) for request in asked]
    assert sum(sizes) == total and max(sizes) < AT_ONCE + 20
    ids = {(of["traceId"], of["spanId"]) for request in asked for of in spans_in(request)}
    assert len(ids) == total
    assert {str(request.url) for request in asked} == {"http://collector.test:4318/v1/traces"}
    assert {request.headers["content-type"] for request in asked} == {"application/json"}


def test_the_whole_address_may_be_named_too() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200)

    sent(answer, url="http://collector.test/otlp/v1/traces/")
    assert set(asked) == {"/otlp/v1/traces"}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_tried_again_is_after_as_long_as_was_asked(status: int) -> None:
    answers = [
        httpx.Response(status, headers={"retry-after": "7"}),
        httpx.Response(status),
        httpx.Response(status, headers={"retry-after": "Fri, 27 Nov 2026 21:00:00 GMT"}),
        httpx.Response(status, headers={"retry-after": "1e9"}),
    ]
    done, waits = sent(lambda request: answers.pop(0) if answers else httpx.Response(200))
    assert done.why == "" and done.taken == done.spans
    assert waits == [7.0, 2.0, 4.0, 30.0]


def test_a_collector_that_stays_away_is_asked_so_often_and_no_more() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503)

    done, waits = sent(answer)
    assert len(asked) == MOST_TRIES and len(waits) == MOST_TRIES - 1
    assert done.taken == 0 and done.why == "it answered 503"


def test_a_collector_that_hangs_up_without_an_answer_is_asked_again() -> None:
    errors: list[Exception] = [
        httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"), httpx.WriteError("broken")
    ]  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        if errors:
            raise errors.pop(0)
        return httpx.Response(200)

    done, waits = sent(answer)
    assert done.why == "" and done.taken == done.spans and waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("error", [httpx.ConnectError("nobody"), httpx.ReadTimeout("slow")])
def test_where_nobody_listens_that_is_told_at_once(error: Exception) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    done, waits = sent(answer)
    assert waits == [] and done.why.startswith(type(error).__name__)


def test_of_an_answer_without_end_no_more_is_read_than_it_may_have() -> None:
    read = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                read.append(1)
                yield b" " * 4096

    done, _ = sent(lambda request: httpx.Response(200, stream=Endless()))
    requests = -(-done.spans // AT_ONCE)
    assert done.taken == done.spans and len(read) <= requests * (LONGEST_ANSWER // 4096 + 1)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 500])
def test_what_may_not_is_asked_once_and_a_redirect_is_not_followed(status: int) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, headers={"location": "http://elsewhere.test/"})

    done, waits = sent(answer)
    assert len(asked) == 1 and waits == [] and done.why == f"it answered {status}"


def test_spans_that_it_rejects_are_counted_and_the_rest_is_sent() -> None:
    first = [{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}]
    done, _ = sent(lambda request: httpx.Response(200, json=first.pop() if first else {}))
    assert done.spans - done.taken == 3 and done.why == "it rejected 3: too old"


def test_what_it_says_is_one_line_and_no_more_than_was_sent_can_be_rejected() -> None:
    partial = {"rejectedSpans": 10**9, "errorMessage": "\x1b[31mred\nof two lines"}
    done, _ = sent(lambda request: httpx.Response(200, json={"partialSuccess": partial}))
    assert done.taken == 0 and done.why.endswith(":  [31mred of two lines")


@pytest.mark.parametrize("body", [b"", b"ok", b"\xff\x00", b"[" * 5000, b'{"partialSuccess": 1}'])
def test_what_is_no_answer_of_otlp_s_says_nothing(body: bytes) -> None:
    done, _ = sent(lambda request: httpx.Response(200, content=body))
    assert done.why == "" and done.taken == done.spans


def test_headers_are_those_that_exporters_read_and_no_others() -> None:
    asked: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers)
        return httpx.Response(200)

    told = f"authorization=Bearer%20{SECRET},x-team = pay ,broken,=x,a b=c,bad=a%0d%0ax,bad=%20x"
    sent(answer, environ={HEADERS: f"{told},Content-Type=a/b"})
    assert asked[0]["authorization"] == f"Bearer {SECRET}" and asked[0]["x-team"] == "pay"
    assert not {"broken", "a b", "bad"} & set(asked[0])
    assert asked[0].get_list("content-type") == ["application/json"]


def test_a_failure_is_one_line_without_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEADERS, f"authorization={SECRET}")
    # Port 9 of loopback, "discard": nobody listens there, and no packet leaves the machine.
    assert not export_and_tell("http://127.0.0.1:9", *run())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tollbench: 0 of ") and "report sample --otlp URL" in line
    assert SECRET not in line


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Its address on loopback, and what has come."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.socket
def test_a_stored_run_is_sent_by_report_and_nothing_is_written(
    collector: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    url, bodies = collector
    summary, columns = run()
    folder = record.new_folder(tmp_path, "sample")
    record.write(folder, summary, columns)
    there = sorted(of.name for of in folder.iterdir())
    assert report("sample", False, str(tmp_path), None, url) == PASS
    assert _sent_spans(bodies) == len(columns.turns) + len(columns.spans)
    assert sorted(of.name for of in folder.iterdir()) == there
    with pytest.raises(BadInput) as raised:
        report("sample", True, str(tmp_path), None, "ftp://x")
    assert len(raised.value.problems) == 2


@pytest.mark.socket
@pytest.mark.thorough
@pytest.mark.parametrize(
    "command",
    [
        ("compare", "checkout", "--flows", "10", "--rounds", "5", "--vary", "prewarm"),
        ("load", "checkout", "--rate", "2", "--duration", "5", "--clock", "virtual"),
    ],
    ids=lambda command: command[0],
)
def test_a_run_is_sent_when_it_is_over_and_stands_whatever_came_of_that(
    command: tuple[str, ...], collector: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    url, bodies = collector
    done = tollbench(*command, "--otlp", url, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    _, rows = done.stored
    assert _sent_spans(bodies) == len(rows.flows) + len(rows.spans)
    unheard = tollbench(*command, "--otlp", "http://127.0.0.1:9", cwd=tmp_path)
    assert unheard.code == 0 and "results" in unheard.out
    assert [of[:15] for of in unheard.problems] == ["tollbench: 0 of"]


def _sent_spans(bodies: list[bytes]) -> int:
    return sum(
        len(spans_in(httpx.Request("POST", "http://c.test", content=body))) for body in bodies
    )
