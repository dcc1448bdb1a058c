"""On the real clock too nothing that a turn does by itself leaves the machine."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping

import httpx
import pytest

from harness import clock as clocks
from harness.clock import RealClock
from harness.flow.flow import Flow, World
from harness.flow.own import converse_with
from harness.flow.own_function import OwnFlow
from harness.flow.rerouted import begin_round, rerouted
from harness.flow.routing import BadFlow, Routes
from harness.flow.strategy import Strategy
from harness.load.engine import Arm, Tally, round_schedule, run_round
from tests.flow.own_turns import AT

pytestmark = pytest.mark.socket

NOBODY = "nobody.invalid"
"""A name that no resolver has, so that a test that fails reaches nobody either."""
MOCKS = httpx.MockTransport(lambda request: httpx.Response(200))


def play(function: OwnFlow, others: Mapping[str, httpx.AsyncBaseTransport] = {}) -> Tally:
    """One turn on uvloop, or what there is in its place."""
    tally, clock = Tally(), RealClock()

    async def boot(flow: Flow) -> None:
        begin_round(1, 0)

    async def main() -> None:
        world = World(clock, MOCKS, 1, 0, True)
        converse = converse_with(function, Strategy(), Routes(AT, MOCKS, others))
        arm = Arm("own", world, boot, converse)
        due = round_schedule(1, 0, [arm], turns=1, turns_each=1, rate=1000.0)
        await run_round(clock, [arm], due, tally)

    with rerouted():
        try:
            clocks.run("real", main())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    return tally


async def _by_name() -> None:
    await asyncio.open_connection(NOBODY, 443)


async def _by_number() -> None:
    await asyncio.open_connection("192.0.2.1", 443)  # of documentation, and nobody's


async def _by_a_socket() -> None:
    with socket.socket() as ours:
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("192.0.2.1", 443))


async def _by_a_question() -> None:
    await asyncio.get_running_loop().getaddrinfo(NOBODY, 443)


async def _by_python_s_own() -> None:
    socket.create_connection((NOBODY, 443))


async def _by_aiohttp() -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        await session.get("https://api.openai.com/")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_by_name, "opens a connection to 'nobody.invalid' by itself"),
        (_by_number, "opens a connection to '192.0.2.1' by itself"),
        (_by_a_socket, "opens a connection to '192.0.2.1' by itself"),
        (_by_a_question, "opens a connection to 'nobody.invalid' by itself"),
        (_by_python_s_own, "opens a connection to 'nobody.invalid' by itself"),
        (_by_aiohttp, "a call goes over aiohttp"),
    ],
)
def test_a_connection_of_a_turn_s_own_ends_the_run(
    function: Callable[[], Awaitable[None]], told: str
) -> None:
    with pytest.raises(BadFlow, match=told):
        play(function)


def test_this_machine_may_be_asked_and_what_is_behind_a_server_of_the_user_s_own() -> None:
    class Logged(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self.real = httpx.AsyncHTTPTransport()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await self.real.handle_async_request(request)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def function() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("localhost", port)
        writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 201
        server.close()

    tally = play(function, {"127.0.0.1": Logged()})
    assert [of.status for of in tally.rows.spans] == [201], tally.fault


def test_a_server_of_the_user_s_own_may_be_asked_where_its_name_leads_and_no_other() -> None:
    asked: list[str] = []

    class Elsewhere(httpx.AsyncBaseTransport):
        """It finds out where its server is, and then asks another one."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            loop = asyncio.get_running_loop()
            try:
                await loop.getaddrinfo(request.url.host, 443)
            except socket.gaierror:
                asked.append(request.url.host)
            await loop.getaddrinfo("other.invalid", 443)
            raise AssertionError

    async def function() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"https://{NOBODY}/")

    with pytest.raises(BadFlow, match=r"opens a connection to 'other\.invalid' by itself"):
        play(function, {NOBODY: Elsewhere()})
    assert asked == [NOBODY]


LATE = """
import sys
from harness.flow.rerouted import rerouted
assert "aiohttp" not in sys.modules
with rerouted():
    import aiohttp
    assert hasattr(aiohttp.ClientSession._request, "__wrapped__")
assert not hasattr(aiohttp.ClientSession._request, "__wrapped__")
"""


@pytest.mark.thorough
def test_aiohttp_is_refused_also_where_the_function_is_the_first_to_import_it() -> None:
    subprocess.run([sys.executable, "-c", LATE], check=True, timeout=60)
