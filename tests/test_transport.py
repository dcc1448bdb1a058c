"""The one place where a call is measured: its times, its faults, and where its bytes go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import respx

from harness.clock import RealClock, VirtualClock, run
from harness.http1 import Sockets
from harness.transport import Measured, measure

URL = "http://somewhere.test/pay"
Handler = Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]]


class Slow(httpx.AsyncByteStream):
    """A body in pieces, each after a pause; it notes whether it was closed."""

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self.pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for pause_s, piece in self.pieces:
            await asyncio.sleep(pause_s)
            yield piece

    async def aclose(self) -> None:
        self.closed = True


class Broken(Slow):
    """A body that is cut off after its pieces."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in super().__aiter__():
            yield piece
        raise httpx.ReadError("connection reset")


def _measured(handler: Handler, patience_s: float = 30.0, begin_s: float = 10.0) -> Measured:
    async def main() -> Measured:
        clock = VirtualClock()
        await clock.sleep_until(begin_s)
        request = httpx.Request("POST", URL, content=b"{}")
        return await measure(httpx.MockTransport(handler), clock, request, patience_s)

    return run("virtual", main())


def _after(head_s: float, stream: httpx.AsyncByteStream, status: int = 200) -> Handler:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(head_s)
        return httpx.Response(status, headers={"x-told": "yes"}, stream=stream)

    return handler


def test_a_streamed_body_is_timed_by_its_first_and_last_byte() -> None:
    stream = Slow((0.25, b"one "), (0.5, b"two "), (1.0, b"three"))
    took = _measured(_after(2.0, stream, 201))
    assert (took.start, took.first_byte, took.first_token, took.end) == (10.0, 12.25, 12.25, 13.75)
    assert (took.status, took.body, took.fault) == (201, b"one two three", "")
    assert took.headers["x-told"] == "yes"
    assert stream.closed


def test_a_body_in_one_piece_has_its_first_byte_at_its_end() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1.5)
        return httpx.Response(200, content=b"all at once")

    took = _measured(handler)
    assert (took.start, took.first_byte, took.first_token, took.end) == (10.0, 11.5, 11.5, 11.5)
    assert took.body == b"all at once"


def test_an_answer_without_a_body_is_timed_by_its_end() -> None:
    took = _measured(_after(1.0, Slow(), 204))
    assert (took.first_byte, took.first_token, took.end) == (11.0, 11.0, 11.0)
    assert (took.status, took.body) == (204, b"")


def test_a_first_byte_at_time_zero_is_the_first_byte() -> None:
    took = _measured(_after(0.0, Slow((0.0, b"now"), (1.0, b"later"))), begin_s=0.0)
    assert (took.start, took.first_byte, took.first_token, took.end) == (0.0, 0.0, 0.0, 1.0)


def _timed(*pieces: tuple[float, bytes]) -> tuple[float, float, float, bytes]:
    """Seconds from the start until the first byte, the first token and the end; and the body."""
    took = _measured(_after(1.0, Slow(*pieces)))
    times = (took.first_byte, took.first_token, took.end)
    first_byte, first_token, end = (time - took.start for time in times)
    return first_byte, first_token, end, took.body


KEEP_ALIVES = [b": keep-alive\n\n", b":\n", b"\n", b"\r\n", b": one\r\n\r\n: two\r\n\r\n", b"  \n"]


@pytest.mark.parametrize("alive", KEEP_ALIVES)
def test_a_keep_alive_is_the_first_byte_and_not_the_first_token(alive: bytes) -> None:
    times = _timed((0.5, alive), (2.0, alive), (4.0, b"data: {}\n\n"), (1.0, b"data: [DONE]\n\n"))
    assert times == (1.5, 7.5, 8.5, alive * 2 + b"data: {}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    "token",
    [b": waiting\n\ndata: {}\n\n", b"\n\n\n{", b"event: ping\n", b"\xff", b" {}", b"data: : {}"],
)
def test_what_comes_with_a_keep_alive_or_only_looks_like_one_is_the_first_token(
    token: bytes,
) -> None:
    assert _timed((0.5, b": alive\n\n"), (1.0, token), (1.0, b"end"))[:3] == (1.5, 2.5, 3.5)


def test_an_answer_of_nothing_but_keep_alives_has_its_first_token_at_its_end() -> None:
    assert _timed((0.5, b"\n"), (2.0, b"\n"))[:3] == (1.5, 3.5, 3.5)


def test_an_empty_piece_is_no_byte() -> None:
    assert _timed((0.5, b""), (2.0, b"{}"))[:3] == (3.5, 3.5, 3.5)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_an_answer_of_any_status_is_no_fault_of_the_wire(status: int) -> None:
    took = _measured(_after(1.0, Slow((0.0, b"no")), status))
    assert (took.status, took.body, took.fault) == (status, b"no", "")


NEVER = Slow((1e6, b"too late"))


@pytest.mark.parametrize(
    "handler",
    [_after(1e6, Slow()), _after(1.0, NEVER), _after(1.0, Slow((0.5, b"a"), (1e6, b"b")))],
    ids=["no head", "no body", "half a body"],
)
def test_patience_ends_a_call_exactly_when_it_runs_out(handler: Handler) -> None:
    took = _measured(handler, patience_s=2.5)
    assert (took.start, took.first_byte, took.first_token, took.end) == (10.0, 12.5, 12.5, 12.5)
    assert (took.status, took.body) == (0, b"")
    assert took.fault == "no whole answer within 2.5 s"


def test_a_call_given_up_is_closed() -> None:
    stream = Slow((1e6, b"too late"))
    _measured(_after(1.0, stream), patience_s=2.0)
    assert stream.closed


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (httpx.ConnectError("connection refused"), "ConnectError: connection refused"),
        (httpx.RemoteProtocolError("not HTTP"), "RemoteProtocolError: not HTTP"),
        (ConnectionResetError("by peer"), "ConnectionResetError: by peer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_trouble_on_the_wire_is_a_fault_and_names_its_kind(error: Exception, fault: str) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.5)
        raise error

    took = _measured(handler)
    assert (took.start, took.end, took.status, took.body) == (10.0, 10.5, 0, b"")
    assert took.fault == fault


def test_a_body_cut_off_is_a_fault_and_no_part_of_it_is_kept() -> None:
    stream = Broken((1.0, b"paid: 45."))
    took = _measured(_after(0.0, stream))
    assert (took.end, took.status, took.body) == (11.0, 0, b"")
    assert took.fault == "ReadError: connection reset"
    assert stream.closed


def test_a_bug_under_the_transport_is_raised() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        raise KeyError("a bug of the mock")

    with pytest.raises(KeyError, match="a bug of the mock"):
        _measured(handler)


def test_cancelling_a_call_is_not_taken_for_its_patience() -> None:
    async def main() -> None:
        transport = httpx.MockTransport(_after(1e6, Slow()))
        request = httpx.Request("GET", URL)
        call = asyncio.create_task(measure(transport, VirtualClock(), request, 30.0))
        await asyncio.sleep(1.0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run("virtual", main())


def test_a_respx_router_may_stand_for_the_other_side() -> None:
    router = respx.MockRouter(assert_all_called=True)
    paid = router.post(URL, content=b"{}").mock(
        side_effect=[httpx.Response(503), httpx.Response(200, json={"state": "paid"})]
    )
    took = [_measured(router.async_handler) for _ in range(2)]
    assert [(one.status, one.fault) for one in took] == [(503, ""), (200, "")]
    assert took[1].body == b'{"state":"paid"}'
    assert paid.call_count == 2
    router.assert_all_called()


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers each connection once with these bytes; yields its URL and the heads it got."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


def _over_the_socket(
    answer: bytes, ask: Callable[[httpx.AsyncBaseTransport, str], Awaitable[Measured]]
) -> tuple[Measured, list[bytes]]:
    async def main() -> tuple[Measured, list[bytes]]:
        async with _server(answer) as (url, heads), Sockets() as transport:
            return await ask(transport, url), heads

    return run("real", main())


async def _get(transport: httpx.AsyncBaseTransport, url: str) -> Measured:
    return await measure(transport, RealClock(), httpx.Request("GET", url + "/x"), 10.0)


def _response(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.mark.socket
def test_a_real_socket_answers_and_no_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # Nothing listens on port 1.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    took, heads = _over_the_socket(_response(b"hello"), _get)
    assert (took.status, took.body, took.fault) == (200, b"hello", "")
    assert took.start <= took.first_byte <= took.first_token <= took.end
    assert [head.split(b"\r\n")[0] for head in heads] == [b"GET /x HTTP/1.1"]


@pytest.mark.socket
def test_a_port_where_nobody_listens_is_a_fault() -> None:
    async def ask(transport: httpx.AsyncBaseTransport, url: str) -> Measured:
        return await _get(transport, "http://127.0.0.1:1")

    took, heads = _over_the_socket(b"", ask)
    assert (took.status, heads) == (0, [])
    assert took.fault.startswith("ConnectionRefusedError: ")


@pytest.mark.socket
def test_a_connection_closed_in_mid_body_is_a_fault() -> None:
    took, _ = _over_the_socket(_response(b"half of it")[:-5], _get)
    assert (took.status, took.body) == (0, b"")
    assert took.fault


@pytest.mark.socket
def test_no_cookie_is_carried_from_one_call_to_the_next() -> None:
    async def ask(transport: httpx.AsyncBaseTransport, url: str) -> Measured:
        named = url.replace("127.0.0.1", "localhost")  # No jar keeps a bare address's cookies.
        await _get(transport, named)
        return await _get(transport, named)

    _, heads = _over_the_socket(_response(b"", "Set-Cookie: session=abc"), ask)
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


@pytest.mark.socket
def test_no_compression_is_offered_that_would_not_be_undone() -> None:
    _, heads = _over_the_socket(_response(b""), _get)
    assert b"gzip" not in heads[0].lower()
