"""Notices over HTTP: they come to this machine and to nobody else, and nothing waits for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from harness.clock import run
from mocks import deliver
from mocks.deliver import HttpDeliver, is_loopback

Answer = Callable[[bytes], bytes]


def _notice(url: str) -> httpx.Request:
    return httpx.Request("POST", url, content=b"paid", headers={"x-signature": "s"})


@contextlib.asynccontextmanager
async def _app(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An app that answers every notice so, and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.append(head + await reader.readexactly(4))
        writer.write(answer(head))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


def _with_deliver(
    story: Callable[[HttpDeliver], Awaitable[None]], allowed: tuple[str, ...] = ()
) -> list[str]:
    """The hosts that were refused."""
    refused: list[str] = []

    async def main() -> None:
        carry = HttpDeliver(allowed, refused.append)
        try:
            await story(carry)
        finally:
            await carry.aclose()

    run("real", main())
    return refused


@pytest.mark.socket
def test_a_notice_comes_whole_and_its_receipt_goes_back() -> None:
    async def story(carry: HttpDeliver) -> None:
        async with _app(lambda _: _http(200, b"success")) as (url, heard):
            receipt = await carry(_notice(url + "/hooks/stripe?a=1"))
            assert (receipt.status_code, await receipt.aread()) == (200, b"success")
        assert heard[0].startswith(b"POST /hooks/stripe?a=1 HTTP/1.1\r\n")
        assert heard[0].endswith(b"\r\n\r\npaid")
        assert b"x-signature: s" in heard[0].lower()

    assert _with_deliver(story) == []


@pytest.mark.socket
def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def story(carry: HttpDeliver) -> None:
        async with _app(lambda _: _http(200, b"")) as (elsewhere, heard):
            moved = _http(307, b"", f"location: {elsewhere}/\r\n")
            async with _app(lambda _: moved) as (url, _):
                assert (await carry(_notice(url))).status_code == 307
            assert heard == []

    _with_deliver(story)


@pytest.mark.socket
@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_an_answer_that_is_none_is_a_transport_error(answer: bytes) -> None:
    async def story(carry: HttpDeliver) -> None:
        async with _app(lambda _: answer) as (url, _):
            with pytest.raises(httpx.TransportError):
                await carry(_notice(url))

    _with_deliver(story)


@pytest.mark.socket
def test_a_receipt_without_end_is_a_transport_error() -> None:
    async def story(carry: HttpDeliver) -> None:
        async with _app(lambda _: _http(200, b"x" * (deliver.MOST_ANSWER + 1))) as (url, _):
            with pytest.raises(httpx.ReadError, match="too long"):
                await carry(_notice(url))

    _with_deliver(story)


@pytest.mark.socket
def test_a_receipt_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "PATIENCE_S", 0.05)

    async def story(carry: HttpDeliver) -> None:
        silence = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silence.wait()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(httpx.ReadTimeout, match=r"0\.05 s"):
                await carry(_notice(f"http://127.0.0.1:{port}/"))
            silence.set()

    _with_deliver(story)


@pytest.mark.socket
def test_nobody_there_is_a_transport_error() -> None:
    async def story(carry: HttpDeliver) -> None:
        async with _app(lambda _: b"") as (url, _):
            pass
        with pytest.raises(httpx.TransportError):
            await carry(_notice(url))

    _with_deliver(story)


AWAY = [
    "http://example.com/",
    "http://127.0.0.1@example.com/",
    "http://127.0.0.1.example.com/",
    "http://localhost.example.com/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::ffff:10.0.0.1]/",
    "http://2130706433/",
    "http://127.1/",
    "http://0x7f000001/",
]


@pytest.mark.parametrize("url", AWAY)
def test_a_notice_to_another_machine_is_not_sent_and_told_once(url: str) -> None:
    async def story(carry: HttpDeliver) -> None:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError, match="is not this machine"):
                await carry(_notice(url))

    assert _with_deliver(story) == [httpx.URL(url).host]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "/nowhere"])
def test_a_notice_goes_by_http_or_not_at_all(url: str) -> None:
    async def story(carry: HttpDeliver) -> None:
        with pytest.raises(httpx.UnsupportedProtocol):
            await carry(_notice(url))

    _with_deliver(story)


@pytest.mark.socket
def test_a_host_that_was_named_is_let_through() -> None:
    async def story(carry: HttpDeliver) -> None:
        # No loopback address by its spelling, though it leads there.
        async with _app(lambda _: _http(200, b"")) as (url, _):
            assert (await carry(_notice(url.replace("127.0.0.1", "0.0.0.0")))).is_success

    assert _with_deliver(story, allowed=("0.0.0.0",)) == []


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
        ("::ffff:127.0.0.1", False), ("example.com", False), ("", False), ("0.0.0.0", False),
    ],
)  # fmt: skip
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) == here


def _http(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body
