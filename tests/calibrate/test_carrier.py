"""How a connection was opened is told of the call that opened it, phase by phase."""

import asyncio
import datetime
import ipaddress
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.calibrate.carrier import Carrier
from harness.calibrate.recorder import Recorder
from harness.calibrate.taking import SENT, Taking
from harness.calibrate.transport import recorded
from harness.clock import run
from harness.transport import DIALED, Dialed
from tests.test_transport import Slow

pytestmark = pytest.mark.socket


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's own certificate, which this test alone believes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    own = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), False)
        .add_extension(x509.BasicConstraints(True, 0), True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    told = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "own.pem").write_bytes(own.public_bytes(pem) + told)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    return context


def _dialed(server_tls: ssl.SSLContext | None, host: str) -> list[Dialed | None]:
    """Of two calls one after the other."""
    told: list[Dialed | None] = []

    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=server_tls)
        port = server.sockets[0].getsockname()[1]
        scheme = "https" if server_tls else "http"
        async with Carrier() as carrier:
            for _ in range(2):
                request = httpx.Request("GET", f"{scheme}://{host}:{port}/")
                told.append((await _extensions(carrier, request)).get(DIALED))
        server.close()

    run("real", main())
    return told


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    except asyncio.IncompleteReadError:
        writer.close()


@pytest.mark.parametrize(
    ("host", "names"), [("127.0.0.1", ["tcp", "tls"]), ("localhost", ["dns", "tcp", "tls"])]
)
def test_a_call_over_tls_tells_each_phase(tls: ssl.SSLContext, host: str, names: list[str]) -> None:
    dialed, again = _dialed(tls, host)
    assert dialed is not None and again is None
    assert [phase.name for phase in dialed.phases] == names
    ends = [phase.end for phase in dialed.phases]
    assert ends == sorted(ends) and ends[-1] == dialed.ready
    for before, after in zip(dialed.phases, dialed.phases[1:], strict=False):
        assert before.end == after.start


def test_a_call_on_an_open_connection_tells_when_it_was_written() -> None:
    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        told, began = [], 0.0
        async with Carrier() as carrier:
            for method in ("GET", "GET", "POST"):
                began = time.perf_counter()
                request = httpx.Request(method, url, content=b"ok" if method == "POST" else None)
                told.append(await _extensions(carrier, request))
            assert SENT not in told[0]  # It waited for its connection, which is in its time.
            assert began < told[2][SENT] < time.perf_counter() and told[1][SENT] < began
            in_pieces = httpx.Request("POST", url, stream=Slow((0.0, b"o"), (0.0, b"k")))
            assert SENT not in await _extensions(carrier, in_pieces)
        server.close()

    run("real", main())


async def _extensions(carrier: Carrier, request: httpx.Request) -> dict[str, Any]:
    response = await carrier.handle_async_request(request)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    assert [piece async for piece in response.stream] == [b"hi"]
    return response.extensions


def test_an_answer_that_is_no_http_is_told_without_what_it_says(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0 welcome\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/?key=hunter22"
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            async with Carrier() as carrier:
                request = httpx.Request("GET", url)
                taking = Taking(recorder, request, "there", "")
                with pytest.raises(httpx.RemoteProtocolError, match=r"^Bad status line$"):
                    await recorded(carrier, request, taking, recorder)
        server.close()

    run("real", main())
    assert '"fault":"Bad status line"' in (tmp_path / "calls.jsonl").read_text()


def test_a_call_without_tls_tells_of_none() -> None:
    dialed, again = _dialed(None, "127.0.0.1")
    assert dialed is not None and again is None
    assert [phase.name for phase in dialed.phases] == ["tcp"]


def test_a_certificate_that_nobody_vouches_for_is_a_fault_of_tls(
    tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))

    async def main() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=tls)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            async with Carrier() as carrier:
                request = httpx.Request("GET", url)
                taking = Taking(recorder, request, "there", "")
                with pytest.raises(httpx.ConnectError):
                    await recorded(carrier, request, taking, recorder)
        server.close()

    run("real", main())
    assert '"fault":"TLS: CERTIFICATE_VERIFY_FAILED"' in (tmp_path / "calls.jsonl").read_text()
