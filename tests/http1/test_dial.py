"""Opening a connection: which phase took what, which one failed, and that nothing is left open."""

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.clock import RealClock
from harness.http1 import Sockets, dial
from harness.transport import DIALED, Dialed, Measured, Phase, measure, streamed
from tests.http1.far import LOOPS, Says, asked, far

pytestmark = pytest.mark.socket

T = TypeVar("T")

HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NAME = "shop.test"
CLOSED = Says((), "closes")

every_loop = pytest.mark.parametrize("loop", LOOPS)


class Counting(RealClock):
    """Each time that it is asked it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        self.seconds += 1.0
        return self.seconds


async def _call(sockets: Sockets, url: str, patience_s: float = 1000.0) -> Measured:
    return await measure(sockets, Counting(), httpx.Request("GET", f"{url}/x"), patience_s)


async def _connect(sockets: Sockets, url: str, patience_s: float = 10.0) -> Measured | None:
    return await sockets.connect(Counting(), httpx.URL(url), patience_s)


def _named(url: str) -> str:
    """The same server under a name, which `_knowing` knows."""
    return url.replace("127.0.0.1", NAME)


@contextlib.contextmanager
def _knowing(answer: Callable[[str], Awaitable[str]]) -> Iterator[list[str]]:
    """Whose name is looked up is noted, and is at the address that `answer` tells."""
    names: list[str] = []

    async def getaddrinfo(host: str, port: int, **how: int) -> list[object]:
        names.append(host)
        address = await answer(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "getaddrinfo", getaddrinfo)
        yield names


async def _here(host: str) -> str:
    return "127.0.0.1"


async def _nowhere(host: str) -> str:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def _silence(host: str) -> str:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate authority that nobody knows but this file, and a server that it vouches for."""
    folder = tmp_path_factory.mktemp("authority")
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _certificate(
        "an authority", ca_key, "an authority", ca_key, x509.BasicConstraints(True, 0)
    )
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    own = _certificate(NAME, key, "an authority", ca_key, names)
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "own.pem").write_bytes(own.public_bytes(pem) + key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    return folder / "ca.pem", context


def _certificate(
    of: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    by_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    subject, issuer = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (of, by)
    )
    today, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    number = x509.random_serial_number()
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), number)
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(by_key, hashes.SHA256())
    )


# What is told


@every_loop
def test_a_name_over_tls_takes_three_phases_one_after_the_other(
    loop: str, authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))

    async def ask(sockets: Sockets, url: str) -> tuple[Measured, list[str]]:
        with _knowing(_here) as names:
            return await _call(sockets, _named(url)), names

    took, names = asked(far(HI), ask, loop=loop, tls=authority[1])
    assert (took.status, took.body, took.start, names) == (200, b"hi", 1.0, [NAME])
    assert took.dialed == Dialed(
        4.0,
        (
            Phase("dns", 1.0, 2.0, True),
            Phase("tcp", 2.0, 3.0, True),
            Phase("tls", 3.0, 4.0, True),
        ),
    )
    assert took.first_byte > 4.0


@every_loop
def test_an_address_has_no_name_to_look_up(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> Measured:
        with _knowing(_silence):
            return await _call(sockets, url)

    took = asked(far(HI), ask, loop=loop)
    assert took.dialed == Dialed(2.0, (Phase("tcp", 1.0, 2.0, True),))


def test_a_kept_connection_has_nothing_to_tell() -> None:
    async def ask(sockets: Sockets, url: str) -> list[Dialed | None]:
        return [(await _call(sockets, url)).dialed for _ in range(3)]

    first, *later = asked(far(HI, HI, HI), ask)
    assert first is not None
    assert later == [None, None]


def test_under_httpx_it_is_told_by_the_response() -> None:
    async def ask(sockets: Sockets, url: str) -> list[object]:
        async with httpx.AsyncClient(transport=sockets) as client:
            return [(await client.get(url)).extensions[DIALED] for _ in range(2)]

    first, second = asked(far(HI, HI), ask)
    assert isinstance(first, Dialed)
    assert [phase.name for phase in first.phases] == ["tcp"]
    assert second is None


@every_loop
def test_the_next_address_of_a_name_is_tried_where_one_refuses(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> Measured:
        async def both(host: str, port: int, **how: int) -> list[object]:
            # Nothing listens on port 1; the family of the first is one that no system has.
            ports = [(socket.AF_INET, 1), (socket.AF_INET, port)]
            found = [(of, socket.SOCK_STREAM, 6, "", ("127.0.0.1", n)) for of, n in ports]
            return [(10_000, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)), *found]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
            return await _call(sockets, _named(url))

    took = asked(far(HI), ask, loop=loop)
    assert (took.body, took.dialed and [phase.name for phase in took.dialed.phases]) == (
        b"hi",
        ["dns", "tcp"],
    )


# What fails


async def _stream(sockets: Sockets, url: str) -> Measured:
    """As a client of somebody else's calls, that hears of it by an error."""
    told: list[Measured] = []
    request = httpx.Request("GET", url)
    with pytest.raises(httpx.ConnectError):
        await streamed(sockets, RealClock(), request, 5.0, lambda took, _: told.append(took))
    (took,) = told
    return took


def _told(took: Measured | None) -> tuple[list[tuple[str, bool]], str]:
    assert took is not None
    assert took.dialed is not None
    assert took.dialed.ready == took.dialed.phases[-1].end <= took.end
    return [(phase.name, phase.done) for phase in took.dialed.phases], took.fault_kind


CUT_SHORT = Says((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",), "closes")


@every_loop
@pytest.mark.parametrize("answer", [CLOSED, CUT_SHORT], ids=["before its head", "in its body"])
def test_a_streamed_call_that_breaks_tells_how_its_connection_was_opened(
    loop: str, answer: Says
) -> None:
    async def broken(sockets: Sockets, url: str) -> Measured:
        told: list[Measured] = []
        request = httpx.Request("GET", url)
        with pytest.raises(httpx.TransportError):
            response = await streamed(
                sockets, RealClock(), request, 5.0, lambda took, _: told.append(took)
            )
            await response.aread()
        (took,) = told
        return took

    took = asked(far(answer), broken, loop=loop)
    assert took.status == 0 and took.dialed is not None
    assert [phase.name for phase in took.dialed.phases] == ["tcp"]


@every_loop
@pytest.mark.parametrize("ask", [_call, _connect, _stream])
def test_a_name_that_nobody_knows_fails_in_its_first_phase(
    loop: str, ask: Callable[[Sockets, str], Awaitable[Measured | None]]
) -> None:
    async def nowhere(sockets: Sockets, url: str) -> Measured | None:
        with _knowing(_nowhere):
            return await ask(sockets, _named(url))

    took = asked(far(), nowhere, loop=loop)
    assert _told(took) == ([("dns", False)], "the host's name is not known")


@every_loop
@pytest.mark.parametrize("ask", [_call, _connect, _stream])
def test_where_nobody_listens_it_fails_as_it_connects(
    loop: str, ask: Callable[[Sockets, str], Awaitable[Measured | None]]
) -> None:
    async def refused(sockets: Sockets, url: str) -> Measured | None:
        with _knowing(_here):
            return await ask(sockets, f"https://{NAME}:1")

    took = asked(far(), refused, loop=loop)
    assert _told(took) == ([("dns", True), ("tcp", False)], "connection refused")


@every_loop
@pytest.mark.parametrize("ask", [_call, _connect, _stream])
def test_who_is_not_trusted_fails_in_the_handshake(
    loop: str,
    ask: Callable[[Sockets, str], Awaitable[Measured | None]],
    authority: tuple[Path, ssl.SSLContext],
) -> None:
    took = asked(far(), ask, loop=loop, tls=authority[1])
    assert _told(took) == ([("tcp", True), ("tls", False)], "TLS: CERTIFICATE_VERIFY_FAILED")


def test_patience_tells_the_phase_in_which_it_ran_out() -> None:
    async def silent(sockets: Sockets, url: str) -> tuple[Measured | None, Measured]:
        with _knowing(_silence):
            took = await _connect(sockets, _named(url), 0.01)
        https = url.replace("http:", "https:")
        return took, await _call(sockets, https, 0.01)

    connected, called = asked(far(), silent)
    assert _told(connected) == ([("dns", False)], "no connection within 0.01 s")
    assert _told(called) == ([("tcp", True), ("tls", False)], "no whole answer within 0.01 s")


# What is left open


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Every socket that was to be connected."""
    every: list[socket.socket] = []
    connect = dial._connect

    async def noted(sock: socket.socket, address: dial.Address) -> None:
        every.append(sock)
        await connect(sock, address)

    monkeypatch.setattr(dial, "_connect", noted)
    return every


async def _turns_of_the_loop(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def _cancelled_after(turns: int, work: Awaitable[T]) -> bool:
    """Whether it was over before that many turns of the loop."""
    task = asyncio.ensure_future(work)
    await _turns_of_the_loop(turns)
    over = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return over


@every_loop
def test_cancelled_while_a_name_is_looked_up_nothing_was_opened(
    loop: str, made: list[socket.socket]
) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        with _knowing(_silence) as names:
            assert not await _cancelled_after(5, _call(sockets, _named(url)))
        assert names == [NAME]

    server = far()
    asked(server, ask, loop=loop)
    assert (made, server.connections) == ([], 0)


@every_loop
def test_cancelled_while_it_connects_the_socket_is_closed(
    loop: str, made: list[socket.socket]
) -> None:
    async def ask(sockets: Sockets, unused: str) -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(_unaccepting(stack))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert not await _cancelled_after(20, _call(sockets, url))
            await _turns_of_the_loop()
            assert [of.fileno() for of in made] == [-1]

    asked(far(), ask, loop=loop)


def _unaccepting(stack: contextlib.ExitStack) -> socket.socket:
    """It listens, and its queue is full: who connects further waits."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return listener


@every_loop
def test_cancelled_in_the_handshake_the_socket_is_closed(
    loop: str, made: list[socket.socket]
) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        call = asyncio.create_task(_call(sockets, url.replace("http:", "https:")))
        while not server.connections:
            await asyncio.sleep(0)
        await _turns_of_the_loop()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.gone == 0:
            await asyncio.sleep(0)
        assert [of.fileno() for of in made] == [-1]
        assert not sockets._open

    server = far()
    asked(server, ask, loop=loop)


@every_loop
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_cancelled_at_any_moment_it_leaves_nothing_but_what_is_idle(
    loop: str,
    tls: bool,
    authority: tuple[Path, ssl.SSLContext],
    made: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))

    async def ask(unused: Sockets, url: str) -> int:
        finished = 0
        for turns in range(40):
            made.clear()
            async with Sockets() as sockets:
                with _knowing(_here):
                    over = await _cancelled_after(turns, _connect(sockets, _named(url)))
                await _turns_of_the_loop()
                idle = [of for of in made if of.fileno() != -1]
                assert len(idle) == len(sockets._open) == over
                finished += over
            await _turns_of_the_loop()
            assert [of.fileno() for of in made] == [-1] * len(made)
        return finished

    finished = asked(far(), ask, loop=loop, tls=authority[1] if tls else None)
    assert (tls or finished > 0) and finished < 40


# Opened ahead


@every_loop
def test_the_next_call_takes_what_was_opened_ahead(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[Measured | None, Measured]:
        ahead = await _connect(sockets, url)
        assert await _connect(sockets, url) is None
        call = await _call(sockets, url)
        assert await _connect(sockets, url) is None
        assert (sockets.opened, sockets.calls) == (1, 1)
        return ahead, call

    server = far(HI)
    ahead, call = asked(server, ask, loop=loop)
    assert ahead is not None
    assert (ahead.start, ahead.end, ahead.status, ahead.fault) == (1.0, 2.0, 0, "")
    assert ahead.dialed == Dialed(2.0, (Phase("tcp", 1.0, 2.0, True),))
    assert (call.body, call.dialed, server.connections) == (b"hi", None, 1)


@every_loop
def test_the_first_who_calls_meanwhile_waits_for_it_and_the_second_dials(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> list[Measured]:
        known = asyncio.Event()

        async def later(host: str) -> str:
            if len(names) == 1:
                await known.wait()
            return "127.0.0.1"

        with _knowing(later) as names:
            clock, there = RealClock(), httpx.URL(_named(url))
            ahead = asyncio.create_task(sockets.connect(clock, there, 10.0))
            await _turns_of_the_loop(3)
            assert await sockets.connect(clock, there, 10.0) is None
            first = asyncio.create_task(measure(sockets, clock, httpx.Request("GET", there), 10.0))
            await _turns_of_the_loop(3)
            second = await measure(sockets, clock, httpx.Request("GET", there), 10.0)
            # Its connection is idle again: taken away, or the first would have two to choose from.
            await sockets.aclose()
            known.set()
            return [cast(Measured, await ahead), await first, second]

    server = far(HI, HI)
    ahead, first, second = asked(server, ask, loop=loop)
    assert ahead.dialed is not None
    assert first.dialed is not None
    assert second.dialed is not None
    assert first.dialed == Dialed(ahead.dialed.ready)
    assert first.start < first.dialed.ready < first.end
    assert [phase.name for phase in second.dialed.phases] == ["dns", "tcp"]
    assert (first.body, second.body, server.connections) == (b"hi", b"hi", 2)


def test_a_call_that_waited_for_one_that_failed_opens_its_own() -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[Measured, Measured]:
        known = asyncio.Event()

        async def later(host: str) -> str:
            if len(names) == 1:
                await known.wait()
                return await _nowhere(host)
            return "127.0.0.1"

        with _knowing(later) as names:
            clock, there = RealClock(), httpx.URL(_named(url))
            ahead = asyncio.create_task(sockets.connect(clock, there, 10.0))
            await _turns_of_the_loop(3)
            call = asyncio.create_task(measure(sockets, clock, httpx.Request("GET", there), 10.0))
            await _turns_of_the_loop(3)
            known.set()
            return cast(Measured, await ahead), await call

    ahead, call = asked(far(HI), ask)
    assert ahead.fault_kind == "the host's name is not known"
    assert ahead.dialed is not None
    assert call.dialed is not None
    assert (call.body, call.fault) == (b"hi", "")
    assert call.dialed.phases[0].start == ahead.dialed.ready


@every_loop
def test_who_waits_and_gives_up_leaves_it_for_the_next(loop: str) -> None:
    async def ask(sockets: Sockets, url: str) -> None:
        known = asyncio.Event()

        async def later(host: str) -> str:
            await known.wait()
            return "127.0.0.1"

        with _knowing(later) as names:
            ahead = asyncio.create_task(_connect(sockets, _named(url)))
            await _turns_of_the_loop(3)
            await _cancelled_after(3, _call(sockets, _named(url)))
            known.set()
            assert await ahead is not None
            assert (await _call(sockets, _named(url))).body == b"hi"
            assert names == [NAME]

    server = far(HI)
    asked(server, ask, loop=loop)
    assert server.connections == 1


def test_one_opened_ahead_that_the_server_has_closed_is_not_used() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, served[0] = not served[0], True
        if first:
            return
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HI)

    async def ask(sockets: Sockets, url: str) -> int:
        await _connect(sockets, url)
        while sockets._open:
            await asyncio.sleep(0)
        assert (await _call(sockets, url)).body == b"hi"
        return sockets.opened

    served = [False]
    assert asked(serve, ask) == 2
