"""Calls over real sockets: what comes back, what is a fault, and which connection carries it."""

import asyncio
import contextlib
import datetime
import gc
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import httpx
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.clock import RealClock
from harness.http1 import Sockets
from harness.providers.told import DrawKey, Told, name_draw
from harness.transport import Measured, measure
from tests.http1.far import LOOPS, Says, asked, far

pytestmark = pytest.mark.socket

OK = b"HTTP/1.1 200 OK\r\n"
HI = OK + b"Content-Length: 2\r\n\r\nhi"
CLOSING = OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def _call(
    sockets: Sockets, url: str, content: bytes = b"{}", patience_s: float = 10.0
) -> Measured:
    request = httpx.Request("POST", f"{url}/x", content=content)
    return await measure(sockets, RealClock(), request, patience_s)


def _calls(n: int) -> Callable[[Sockets, str], Awaitable[tuple[int, int]]]:
    """Make that many calls, one after another; connections opened and calls made."""

    async def ask(sockets: Sockets, url: str) -> tuple[int, int]:
        for _ in range(n):
            took = await _call(sockets, url)
            assert (took.status, took.body, took.fault) == (200, b"hi", "")
        return sockets.opened, sockets.calls

    return ask


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("says", "body"),
    [
        (Says((HI,)), b"hi"),
        (Says((HI[:20], HI[20:-1], HI[-1:])), b"hi"),
        (Says((CHUNKED, b"2\r\nhi\r\n", b"0\r\n\r\n")), b"hi"),
        (Says((OK + b"\r\n", b"all ", b"of it"), "closes"), b"all of it"),
        (Says((b"HTTP/1.1 103 Early Hints\r\n\r\n", HI)), b"hi"),
        (Says((CHUNKED + b"100000\r\n", b"x" * 2**20, b"\r\n0\r\n\r\n")), b"x" * 2**20),
    ],
    ids=["whole", "in pieces", "chunks", "till the end", "after a hint", "a large one"],
)
def test_an_answer_comes_back_whole_and_timed(loop: str, says: Says, body: bytes) -> None:
    server = far(says)
    took = asked(server, _call, loop=loop)
    assert (took.status, took.body, took.fault) == (200, body, "")
    assert took.start < took.first_byte <= took.first_token <= took.end
    (head,) = server.heads
    assert re.sub(rb"127.0.0.1:\d+", b"HERE", head) == (
        b"POST /x HTTP/1.1\r\nHost: HERE\r\nContent-Length: 2\r\n\r\n"
    )


CLOSED = "RemoteProtocolError: the server closed the connection"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (Says((), "closes"), f"{CLOSED} before it answered"),
        (Says((OK,), "closes"), f"{CLOSED} before it answered"),
        (Says((HI[:-1],), "closes"), f"{CLOSED} in the middle of its answer"),
        (Says((CHUNKED, b"2\r\nhi\r\n"), "closes"), f"{CLOSED} in the middle of its answer"),
        (Says((), "resets"), "ConnectionResetError: "),
        (Says((b"SSH-2.0-x\r\n",)), "RemoteProtocolError: no HTTP/1.1: "),
        (Says((b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n",)), "RemoteProtocolError: the server sw"),
    ],
    ids=["nothing", "half a head", "half a body", "half the chunks", "a reset", "SSH", "101"],
)
def test_no_whole_answer_is_a_fault_that_says_why(loop: str, says: Says, fault: str) -> None:
    took = asked(far(says), _call, loop=loop)
    assert (took.status, took.body, took.headers) == (0, b"", httpx.Headers())
    assert took.fault.startswith(fault)
    assert took.start < took.end == took.first_byte == took.first_token


@pytest.mark.parametrize("loop", LOOPS)
def test_a_body_that_the_connection_ends_is_not_ended_by_a_reset(loop: str) -> None:
    took = asked(far(Says((OK + b"\r\n", b"part of it"), "resets")), _call, loop=loop)
    assert took.fault.startswith("ConnectionResetError: ")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:1", "ConnectionRefusedError: "),  # Nothing listens on port 1.
        ("http://a..b", "OSError: 'a..b' is no name of a host"),
    ],
)
def test_where_nobody_listens_is_a_fault(loop: str, url: str, fault: str) -> None:
    async def ask(sockets: Sockets, unused: str) -> tuple[Measured, int, int]:
        return await _call(sockets, url), sockets.opened, sockets.calls

    took, *counts = asked(far(), ask, loop=loop)
    assert took.fault.startswith(fault)
    assert counts == [0, 0]


@pytest.mark.parametrize(
    ("answers", "opened"),
    [
        ([HI] * 4, 1),
        ([CLOSING] * 4, 4),
        ([HI, CLOSING, HI, HI], 2),
        ([HI.replace(b"1.1", b"1.0")] * 4, 4),
        ([HI + b"HTTP/1.1 200 OK\r\n", HI, HI, HI], 2),
        ([CHUNKED + b"2\r\nhi\r\n0\r\nTrailer: 1\r\n\r\n"] * 4, 1),
        ([Says((HI,), "closes"), Says((CLOSING,), "closes"), HI, HI], 3),
    ],
    ids=["kept", "closed", "one closed", "HTTP/1.0", "too much", "trailers", "closed idle"],
)
def test_a_connection_is_used_again_as_long_as_it_is_good(
    answers: list[bytes | Says], opened: int
) -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[int, int]:
        for n in range(4):
            took = await _call(sockets, url)
            assert (n, took.body, took.fault) == (n, b"hi", "")
            while server.gone < server.connections and _ends(server.says[n]):
                await asyncio.sleep(0)
            await _turns_of_the_loop()
        return sockets.opened, sockets.calls

    server = far(*answers)
    assert asked(server, ask) == (opened, 4)
    assert server.connections == opened


def _ends(says: Says) -> bool:
    return says.then == "closes"


async def _turns_of_the_loop() -> None:
    """So that this side, too, has heard what the other has already sent over loopback."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_bytes_on_an_idle_connection_end_it() -> None:
    """As of a server that says 408 before it closes what was idle for too long."""
    idle, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(HI)
        await idle.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()  # Until the client has closed.
        ended.set()

    async def ask(sockets: Sockets, url: str) -> int:
        assert (await _call(sockets, url)).body == b"hi"
        idle.set()
        await ended.wait()
        assert (await _call(sockets, url)).body == b"hi"
        return sockets.opened

    assert asked(serve, ask) == 2


def test_a_connection_too_long_idle_is_not_used_again() -> None:
    server = far(HI, HI, HI)
    assert asked(server, _calls(3), sockets=lambda: Sockets(idle_s=0.0)) == (3, 3)


def test_the_newest_idle_connection_is_taken_first() -> None:
    async def ask(sockets: Sockets, url: str) -> list[bytes]:
        await asyncio.gather(*[_call(sockets, url) for _ in range(3)])
        ports: list[bytes] = []
        for _ in range(3):
            ports.append((await _call(sockets, url)).body)
        assert sockets.opened == 3
        return ports

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = b"%d" % writer.get_extra_info("peername")[1]
        while await reader.readuntil(b"{}"):
            writer.write(OK + b"Content-Length: %d\r\n\r\n%b" % (len(port), port))

    assert len(set(asked(serve, ask))) == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_before_the_request_was_whole_counts_and_costs_its_connection(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[Measured, Measured]:
        first = await _call(sockets, url, content=b"x" * 16_000_000)
        return first, await _call(sockets, url)

    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    server = far(Says((refused,), "says no more", reads_body=False), HI)
    first, second = asked(server, ask, loop=loop)
    assert (first.status, first.body, first.fault) == (413, b"no", "")
    assert (second.status, server.connections) == (200, 2)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("pieces", [(), (HI[:-1],)], ids=["no answer", "half an answer"])
def test_patience_ends_a_call_and_its_connection(loop: str, pieces: tuple[bytes, ...]) -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[Measured, Measured]:
        first = await _call(sockets, url, patience_s=0.05)
        while server.gone == 0:
            await asyncio.sleep(0)
        return first, await _call(sockets, url)

    server = far(Says(pieces, "says no more"), HI)
    first, second = asked(server, ask, loop=loop)
    assert (first.status, first.fault) == (0, "no whole answer within 0.05 s")
    assert first.end - first.start >= 0.05
    assert (second.body, server.connections) == (b"hi", 2)


@pytest.mark.parametrize("loop", LOOPS)
def test_connecting_counts_into_the_patience(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> Measured:
        # A server without TLS waits for a request that a client with TLS does not send.
        return await _call(sockets, url.replace("http://", "https://"), patience_s=0.05)

    took = asked(far(), ask, loop=loop)
    assert took.fault == "no whole answer within 0.05 s"
    assert took.end - took.start >= 0.05 - 0.001  # asyncio's own timer may be early.


@pytest.mark.parametrize("loop", LOOPS)
def test_a_cancelled_call_ends_its_connection(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        call = asyncio.create_task(_call(sockets, url))
        while not server.heads:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.gone == 0:
            await asyncio.sleep(0)
        assert (await _call(sockets, url)).body == b"hi"

    server = far(Says((HI[:-1],), "says no more"), HI)
    asked(server, ask, loop=loop)
    assert server.connections == 2


class Hooked(RealClock):
    """Does something when it is asked for the time of an answer: a call asks at its start, when it
    is connected, for its patience, and then for each piece that has come."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then
        self.asked = 0

    def now(self) -> float:
        self.asked += 1
        if self.asked == 4:
            self.then()
        return super().now()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_cancelled_as_its_answer_comes_does_not_end_the_call_that_follows(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        following: list[asyncio.Task[Measured]] = []

        def follow_and_cancel() -> None:
            following.append(asyncio.create_task(_call(sockets, url)))
            call.cancel()

        request = httpx.Request("POST", url, content=b"{}")
        call = asyncio.create_task(sockets.exchange(Hooked(follow_and_cancel), request, 10.0))
        with pytest.raises(asyncio.CancelledError):
            await call
        took = await following[0]
        assert (took.body, took.fault, sockets.opened) == (b"hi", "", 1)

    asked(far(HI, HI), ask, loop=loop)


def test_closing_ends_the_calls_that_still_run() -> None:
    async def ask(sockets: Sockets, url: str) -> Measured:
        call = asyncio.create_task(_call(sockets, url))
        while not server.heads:
            await asyncio.sleep(0)
        await sockets.aclose()
        return await call

    server = far(Says((), "says no more"))
    assert asked(server, ask).fault == f"{CLOSED} before it answered"


def test_five_hundred_calls_at_once_have_a_connection_each_and_the_next_wave_takes_them() -> None:
    n = 500
    waiting: list[asyncio.StreamWriter] = []
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.readuntil(b"{}"):
            waiting.append(writer)
            if len(waiting) == n:
                for one in waiting:
                    one.write(HI)
                waiting.clear()

    async def ask(sockets: Sockets, url: str) -> None:
        for _ in range(2):
            took = await asyncio.gather(*[_call(sockets, url) for _ in range(n)])
            assert {(one.status, one.body, one.fault) for one in took} == {(200, b"hi", "")}
        assert (sockets.opened, sockets.calls, len(connections)) == (n, 2 * n, n)

    asked(serve, ask)


@pytest.mark.parametrize("loop", LOOPS)
def test_calls_leave_nothing_for_the_collector(loop: str) -> None:
    class Plain(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(HI)

    async def ask(sockets: Sockets, unused: str) -> int:
        running = asyncio.get_running_loop()
        async with await running.create_server(Plain, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await _call(sockets, url)
            gc.collect()
            for _ in range(20):
                await _call(sockets, url)
            left = gc.collect()
            await sockets.aclose()
        return left

    gc.disable()
    try:
        assert asked(far(), ask, loop=loop) == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("method", "url", "why"),
    [
        ("HEAD", "http://127.0.0.1:1/", "cannot read the answer to HEAD"),
        ("CONNECT", "http://127.0.0.1:1/", "cannot read the answer to CONNECT"),
        ("GET", "ftp://127.0.0.1:1/", "not by 'ftp'"),
        ("GET", "/only/a/path", "not by ''"),
    ],
)
def test_what_it_cannot_carry_is_refused(method: str, url: str, why: str) -> None:
    async def ask(sockets: Sockets, _: str) -> None:
        request = httpx.Request(method, url)
        with pytest.raises(httpx.UnsupportedProtocol, match=why):
            await sockets.exchange(RealClock(), request, 1.0)
        with pytest.raises(httpx.UnsupportedProtocol, match=why):
            await sockets.handle_async_request(request)

    asked(far(), ask)


def test_a_call_says_its_draw_and_hears_what_a_mock_meant_to_take() -> None:
    async def ask(sockets: Sockets, url: str) -> Measured:
        request = httpx.Request("GET", url)
        name_draw(request, DrawKey(1, 2, 3, "plan", 4))
        return await measure(sockets, RealClock(), request, 10.0)

    server = far(HI.replace(b"\r\n\r\n", b"\r\nX-Tollbench-Told: 20.5,1.5,0\r\n\r\n"))
    assert asked(server, ask).told == Told(20.5, 1.5, 0)
    assert b"\r\nx-tollbench-draw: 1.2.3.plan.4\r\n" in server.heads[0]


def test_a_body_that_is_a_stream_is_read_and_sent() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"a":'
        yield b"1}"

    async def ask(sockets: Sockets, url: str) -> Measured:
        headers = {"content-length": "7"}
        request = httpx.Request("POST", f"{url}/x", headers=headers, content=parts())
        return await sockets.exchange(RealClock(), request, 10.0)

    assert asked(far(HI), ask).body == b"hi"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    day = datetime.timedelta(days=1)
    today = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return path


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_carries_calls_to_a_server_that_is_trusted(
    loop: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = far(HI, Says((HI[:20], HI[20:])), Says((OK + b"\r\n", b"hi"), "closes"))
    assert asked(server, _calls(3), loop=loop, tls=_tls(certificate)) == (1, 3)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_is_not_trusted_is_a_fault(loop: str, certificate: Path) -> None:
    took = asked(far(), _call, loop=loop, tls=_tls(certificate))
    assert took.fault.startswith("SSLCertVerificationError: ")


# Under httpx's own client


async def _echo(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    if request.path == "/moved":
        return web.Response(status=302, headers={"Location": "/echo"})
    answer = web.StreamResponse(headers={"x-method": request.method})
    await answer.prepare(request)
    await answer.write(b"you said: ")
    await answer.write(body)
    await answer.write_eof()
    return answer


@contextlib.asynccontextmanager
async def _echoing() -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(_echo))  # type: ignore[arg-type]  # as its manual shows
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("loop", LOOPS)
def test_httpx_speaks_over_it_to_another_librarys_server(loop: str) -> None:
    async def ask(sockets: Sockets, _: str) -> None:
        async with _echoing() as url, httpx.AsyncClient(transport=sockets, base_url=url) as client:
            for body in ("one", "", "two" * 100_000):
                answer = await client.put("/echo", content=body)
                assert (answer.status_code, answer.text) == (200, f"you said: {body}")
                assert answer.headers["x-method"] == "PUT"
            moved = await client.get("/moved", follow_redirects=True)
            assert (moved.text, len(moved.history)) == ("you said: ", 1)
            assert (sockets.opened, sockets.calls) == (1, 5)

    asked(far(), ask, loop=loop)


def test_a_streamed_body_comes_piece_by_piece() -> None:
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        for piece in (b"4\r\none \r\n", b"3\r\ntwo\r\n0\r\n\r\n"):
            writer.write(piece)
            await heard.wait()  # The next is only sent when this one has been used.
            heard.clear()

    async def ask(sockets: Sockets, url: str) -> list[bytes]:
        pieces = []
        async with (
            httpx.AsyncClient(transport=sockets) as client,
            client.stream("GET", url) as answer,
        ):
            async for piece in answer.aiter_raw():
                pieces.append(piece)
                heard.set()
        return pieces

    assert asked(serve, ask) == [b"one ", b"two"]


def test_a_stream_left_early_ends_its_connection() -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        async with httpx.AsyncClient(transport=sockets) as client:
            async with client.stream("GET", url):
                pass
            while server.gone == 0:
                await asyncio.sleep(0)
            assert (await client.get(url)).text == "hi"

    server = far(Says((CHUNKED + b"2\r\nhi\r\n",), "says no more"), HI)
    asked(server, ask)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says((), "closes"), httpx.RemoteProtocolError),
        (Says((HI[:-1],), "closes"), httpx.RemoteProtocolError),
        (Says((b"rubbish\r\n",)), httpx.RemoteProtocolError),
        (Says((), "resets"), httpx.ReadError),
        (Says((OK + b"\r\n",), "resets"), httpx.ReadError),
        (Says((), "says no more"), httpx.ReadTimeout),
        (Says((HI[:-1],), "says no more"), httpx.ReadTimeout),
    ],
    ids=["nothing", "half", "rubbish", "a reset", "a late reset", "silence", "late silence"],
)
def test_httpx_hears_of_trouble_in_its_own_words(
    says: Says, error: type[httpx.TransportError]
) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        timeout = httpx.Timeout(10.0, read=0.05 if error is httpx.ReadTimeout else 10.0)
        async with httpx.AsyncClient(transport=sockets, timeout=timeout) as client:
            with pytest.raises(error):
                await client.get(url)
        assert not sockets._open

    asked(far(says), ask)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1", httpx.ConnectError),
        ("", httpx.ConnectTimeout),  # TLS to a server that has none
    ],
    ids=["refused", "silence"],
)
def test_httpx_hears_why_there_is_no_connection(
    url: str, error: type[httpx.TransportError]
) -> None:
    async def ask(sockets: Sockets, there: str) -> None:
        async with httpx.AsyncClient(transport=sockets, timeout=0.05) as client:
            with pytest.raises(error):
                await client.get(url or there.replace("http://", "https://"))

    asked(far(), ask)
