"""The mocks as an ASGI application, on the virtual clock: what becomes of a request's parts."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import msgspec
import pytest

from harness.answer import Answer, Decide, Ending
from harness.clock import VirtualClock, run
from mocks.asgi import BODY_PATIENCE_S, MOST_BODY, Message
from mocks.door import asgi
from mocks.log import RequestLog

GONE: Message = {"type": "http.disconnect"}
HANGS = "hangs"


def _part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@dataclass(frozen=True, slots=True)
class _Of:
    """A mock that decides as it is told to."""

    decide: Decide


def _whole(body: bytes) -> Answer:
    return Answer(200, {}, [0.0], [body])


def _echo(request: httpx.Request) -> Answer:
    told = [request.method, str(request.url), request.content.decode()]
    return _whole(msgspec.json.encode(told))


def _sent(
    *parts: Message | str,
    decide: Decide = _echo,
    log: RequestLog | None = None,
    path: bytes = b"/x",
    query: bytes = b"",
) -> tuple[list[Message], float]:
    """What the application sends to a client whose request comes in these parts, and when it has
    sent all."""
    sent: list[Message] = []
    coming = iter(parts)

    async def receive() -> Message:
        part = next(coming)
        if isinstance(part, str):
            await asyncio.sleep(1e6)
        assert not isinstance(part, str)
        return part

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> float:
        scope = {"type": "http", "method": "POST", "path": path.decode("latin-1"), "headers": []}
        clock = VirtualClock()
        application = asgi(_Of(decide), clock, log)
        await application({**scope, "raw_path": path, "query_string": query}, receive, send)
        return clock.now()

    ended = run("virtual", main())
    return sent, ended


def _answer(sent: Sequence[Message]) -> tuple[int, bytes]:
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_body_in_parts_is_one_body() -> None:
    sent, _ = _sent(_part(b"a", more=True), _part(b"", more=True), _part(b"b"), query=b"q=1")
    assert _answer(sent) == (200, b'["POST","http://mocks/x?q=1","ab"]')


def test_an_escaped_question_mark_is_no_query() -> None:
    sent, _ = _sent(_part(b""), path=b"/x%3Fy")
    assert b"/x%3Fy" in _answer(sent)[1]


@pytest.mark.parametrize("parts", [[HANGS], [_part(b"{", more=True), HANGS]])
def test_a_body_that_never_ends_is_a_408_that_closes(parts: list[Message | str]) -> None:
    sent, ended = _sent(*parts)
    assert _answer(sent)[0] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert ended == BODY_PATIENCE_S


@pytest.mark.parametrize("parts", [[GONE], [_part(b'{"pay":1', more=True), GONE]])
def test_who_leaves_before_the_body_ended_has_asked_nothing(parts: list[Message]) -> None:
    asked = []

    def decide(request: httpx.Request) -> Answer:
        asked.append(request)
        return _whole(b"")

    log = RequestLog()
    assert _sent(*parts, decide=decide, log=log)[0] == []
    assert (asked, log.served.total()) == ([], 0)


def test_a_body_is_large_enough_or_too_large() -> None:
    large = b"x" * MOST_BODY
    assert _answer(_sent(_part(large))[0])[0] == 200
    # The rest is never asked for: it would not be read to its end.
    assert _answer(_sent(_part(large, more=True), _part(b"x", more=True))[0])[0] == 413


@pytest.mark.parametrize(
    ("path", "query"), [(b"/a\x7f", b""), (b"/" + b"a" * 70_000, b""), (b"/a", b"\xff")]
)
def test_what_is_no_path_is_a_400(path: bytes, query: bytes) -> None:
    assert _answer(_sent(_part(b""), path=path, query=query)[0])[0] == 400


def test_chunks_are_passed_on_one_by_one_each_at_its_time() -> None:
    def decide(request: httpx.Request) -> Answer:
        return Answer(200, {}, [0.5, 0.5, 2.0], [b"0", b"1", b"2"])

    sent, ended = _sent(_part(b""), decide=decide)
    assert [message.get("body") for message in sent] == [None, b"0", b"1", b"2"]
    assert [message.get("more_body") for message in sent] == [None, True, True, False]
    assert ended == 2.0


def test_what_no_mock_answered_and_what_broke_is_logged_too() -> None:
    def broken(request: httpx.Request) -> Answer:
        raise ZeroDivisionError

    out = io.StringIO()
    log = RequestLog(out)
    _sent(_part(b"x" * (MOST_BODY + 1)), log=log)
    with pytest.raises(ZeroDivisionError):
        _sent(_part(b"x"), decide=broken, log=log)
    statuses = [msgspec.json.decode(line)["status"] for line in out.getvalue().splitlines()]
    assert statuses == [413, None]
    assert log.served == {"": 2}


@pytest.mark.parametrize("ending", ["reset", "silence"])
def test_a_server_that_lets_nothing_be_done_to_a_connection_is_left_to_its_own_way(
    ending: Ending,
) -> None:
    broken = Answer(0, {}, [0.0], [b""], ending=ending)
    assert _sent(_part(b"{}"), GONE, decide=lambda _: broken) == ([], 0.0)
