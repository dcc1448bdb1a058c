"""Broken answers over real sockets: each client sees what it is, and its next call is well."""

import asyncio
import contextlib
import io
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from http.client import IncompleteRead
from pathlib import Path

import aiohttp
import httpx
import msgspec
import pytest
from httpx_aiohttp import AiohttpTransport

from harness.clock import RealClock, VirtualClock, run
from harness.faults import Fault, Placed, Script
from harness.http1 import Sockets
from harness.http1.wire import encode_request
from harness.providers.openai import OPENAI
from harness.providers.told import DRAW_HEADER, DrawKey, encode_draw
from harness.transport import measure
from mocks.asgi import Asked
from mocks.door import asgi, decided
from mocks.host import IN_PROCESS_URL, Host, Mock, endpoints
from mocks.listening import Listening, listening
from mocks.log import RequestLog
from mocks.profile import FOLDER
from tests.cli.serving import serving
from tests.http1.far import LOOPS
from tests.mocks.fast import chat, fast_mocks

pytestmark = pytest.mark.socket

GRACE_S = 600
"""Longer than a test may take: a call that is waited for at the end would be noticed."""

SILENT_S, PATIENCE_S = 0.4, 30.0
"""How long a client waits where nothing will come, and where something will."""

STRUCK: Sequence[Fault] = (
    "reset", "cut", "errors", "rate-limits", "duplicates", "lost", "timeouts",
)  # fmt: skip
"""The turn of that number is struck by it."""


class Foreigners:
    """Strikes calls that name no draw, in the order of their arrival."""

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        return [STRUCK[key.conversation]] if key.conversation < len(STRUCK) else []


def _script() -> Script:
    return Script(Placed(turn, "confirm", fault) for turn, fault in enumerate(STRUCK))


@contextlib.asynccontextmanager
async def _served(mock: Mock, log: RequestLog | None = None) -> AsyncIterator[str]:
    ready = asyncio.Event()
    server = Listening(asgi(mock, RealClock(), log), GRACE_S, ready.set)
    (listener,) = listening("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        await serving


def _asked(url: str, turn: int | None, stream: bool) -> httpx.Request:
    request = OPENAI.chat(endpoints(url, fast_mocks())["openai"], chat(stream)).request
    if turn is not None:
        request.headers[DRAW_HEADER] = encode_draw(DrawKey(0, 0, turn, "confirm", 1))
    return request


Ask = Callable[[httpx.Request, float], Awaitable[str]]
"""What a client says of the call: a status, or why there is no whole answer."""

RESET = "connection reset by peer"
SILENT = f"no whole answer within {SILENT_S:g} s"
ANSWERED: dict[Fault, str] = {"errors": "500", "rate-limits": "429", "duplicates": "200"}


@contextlib.asynccontextmanager
async def _ours() -> AsyncIterator[Ask]:
    async with Sockets() as transport:
        yield partial(_measured, transport)


@contextlib.asynccontextmanager
async def _aiohttps() -> AsyncIterator[Ask]:
    async with AiohttpTransport(client=aiohttp.ClientSession()) as transport:
        yield partial(_measured, transport)


async def _measured(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, patience_s: float
) -> str:
    took = await measure(transport, RealClock(), request, patience_s)
    return took.fault_kind or str(took.status)


@contextlib.asynccontextmanager
async def _httpxs() -> AsyncIterator[Ask]:
    async def ask(request: httpx.Request, patience_s: float) -> str:
        client.timeout = httpx.Timeout(patience_s)
        try:
            return str((await client.send(request)).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__

    async with httpx.AsyncClient(trust_env=False) as client:
        yield ask


@contextlib.asynccontextmanager
async def _urllibs() -> AsyncIterator[Ask]:
    """Each call on a connection of its own."""

    def ask(request: httpx.Request, patience_s: float) -> str:
        headers = dict(request.headers)
        asked = urllib.request.Request(str(request.url), request.content, headers)
        try:
            with urllib.request.build_opener().open(asked, timeout=patience_s) as answer:
                answer.read()
                return str(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)
        except (OSError, IncompleteRead) as error:
            return type(error).__name__

    yield lambda request, patience_s: asyncio.to_thread(ask, request, patience_s)


Client = Callable[[], contextlib.AbstractAsyncContextManager[Ask]]


def _words(reset: str, silent: str, cut: str = "") -> dict[Fault, str]:
    return {"reset": reset, "cut": cut or reset, "lost": silent, "timeouts": silent}


CLIENTS: dict[str, tuple[Client, dict[Fault, str]]] = {
    "ours": (_ours, _words(RESET, SILENT)),
    "aiohttp": (_aiohttps, _words(RESET, SILENT, cut="Response payload is not completed")),
    "httpx": (_httpxs, _words("ReadError", "ReadTimeout")),
    "urllib": (_urllibs, _words("ConnectionResetError", "TimeoutError")),
}
"""And what each says of a broken answer."""


async def _said(client: Client, named: bool, stream: bool) -> list[str]:
    """What that client says of each turn, and of two calls more."""
    host = Host(RealClock(), fast_mocks(), faults=_script() if named else Foreigners())
    async with _served(host) as url, client() as ask:
        return [
            await ask(
                _asked(url, turn if named else None, stream),
                SILENT_S if fault in ("lost", "timeouts") else PATIENCE_S,
            )
            for turn, fault in enumerate([*STRUCK, "none", "none"])
        ]


@pytest.mark.parametrize(
    ("named", "stream"),
    [
        ({"ours", "aiohttp"}, False),
        pytest.param({"httpx", "urllib"}, False, marks=pytest.mark.thorough),
        pytest.param({"ours", "aiohttp"}, True, marks=pytest.mark.thorough),
        pytest.param({"httpx", "urllib"}, True, marks=pytest.mark.thorough),
    ],
)
def test_each_client_sees_each_fault_as_what_it_is_and_its_next_calls_are_well(
    named: set[str], stream: bool
) -> None:
    """Named are the clients that say which draw they are to be served with."""

    async def main() -> list[list[str]]:
        said = (_said(client, who in named, stream) for who, (client, _) in CLIENTS.items())
        return await asyncio.gather(*said)

    expected = {
        who: [*(ANSWERED.get(fault) or words[fault] for fault in STRUCK), "200", "200"]
        for who, (_, words) in CLIENTS.items()
    }
    assert dict(zip(CLIENTS, run("real", main()), strict=True)) == expected


@pytest.mark.parametrize("loop", [pytest.param("asyncio", marks=pytest.mark.thorough), "uvloop"])
def test_a_connection_is_reset_on_either_loop_and_what_was_written_before_arrives(
    loop: str,
) -> None:
    async def main() -> tuple[str, bytes]:
        host = Host(RealClock(), fast_mocks(), faults=_script())
        async with _served(host) as url:
            request = _asked(url, STRUCK.index("cut"), stream=True)
            parts, sent = [], encode_request(request)
            reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
            writer.write(sent)
            try:
                while part := await reader.read(65_536):
                    parts.append(part)
            except ConnectionResetError as error:
                return type(error).__name__, b"".join(parts)
            finally:
                writer.close()
            return "ended", b"".join(parts)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        how, came = runner.run(main())
    assert how == "ConnectionResetError"
    assert came.startswith(b"HTTP/1.1 200 OK") and b"data: {" in came
    assert b"[DONE]" not in came and not came.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", ["lost", "timeouts"])
def test_a_silent_call_does_not_hold_the_server_back_when_it_is_to_end(fault: Fault) -> None:
    async def main() -> str:
        host = Host(RealClock(), fast_mocks(), faults=_script())
        async with Sockets() as transport:
            async with _served(host) as url:
                request = _asked(url, STRUCK.index(fault), False)
                call = asyncio.create_task(measure(transport, RealClock(), request, GRACE_S))
                while not host.setting.struck:
                    await asyncio.sleep(0)
            return (await call).fault_kind

    assert run("real", main()) == "the server closed the connection before it answered"


def test_what_breaks_off_is_logged_with_its_provider_and_the_status_that_left() -> None:
    out = io.StringIO()

    async def main() -> None:
        clock = VirtualClock()
        host = Host(clock, fast_mocks(), faults=_script())
        for fault in ("reset", "cut", "lost"):
            request = _asked(IN_PROCESS_URL, STRUCK.index(fault), False)
            path, headers = request.url.path, list(request.headers.raw)
            target, body = request.url.raw_path, request.content
            asked = Asked(request.method, path, target, headers, body, clock.now())
            decided(host, clock, asked, RequestLog(out))

    run("virtual", main())
    lines = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [0, 200, 0]
    assert {line["provider"] for line in lines} == {"openai"}


# As a process of its own, with workers

FAULTY = {"stripe": "reset", "wechat-ai": "timeouts", "flat": "cut", "unionpay": "lost"}
PATHS = {
    "stripe": "/v1/payment_intents",
    "wechat-ai": "/rpc",
    "flat": "/payments",
    "unionpay": "/gateway/api/backTransReq.do",
}


@pytest.mark.thorough
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_serving_breaks_off_as_its_profiles_say_and_ends_when_told(
    workers: str, tmp_path: Path
) -> None:
    words = []
    for name, fault in FAULTY.items():
        shipped = (FOLDER / f"{name}.toml").read_text("utf-8")
        quick = re.sub(r"\bp(\d\d)_ms = .*", r"p\1_ms = \1.0", shipped)
        (tmp_path / f"{name}.toml").write_text(f"{quick}\n[faults]\n{fault} = 1.0\n")
        words += ["--profile", f"{name}.toml"]

    async def main(base_url: str) -> dict[str, str]:
        async with Sockets() as transport:
            asked = {
                name: httpx.Request("POST", f"{base_url}/{name}{path}", content=b"{}")
                for name, path in PATHS.items()
            }
            return {
                name: (await measure(transport, RealClock(), request, 1.0)).fault_kind
                for name, request in asked.items()
            }

    with serving(tmp_path, "--workers", workers, *words) as server:
        said = run("real", main(server.told["base_url"]))
        assert said["stripe"] == said["flat"] == RESET
        assert said["wechat-ai"] == said["unionpay"] == "no whole answer within 1 s"
        assert server.chat().status_code == 200
        struck = server.get("/_faults").json()
        assert struck == {fault: {"other": 1} for fault in FAULTY.values()}
        assert server.end() == 0
