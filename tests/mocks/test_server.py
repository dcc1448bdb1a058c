"""The mocks on a socket: what a client and whoever started them may rely on."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import TypeVar

import httpx
import msgspec
import pytest

from harness.cli.mock_process import mock_process
from harness.clock import run
from harness.http1 import Sockets
from harness.providers import wechat_ai
from harness.providers.call import Call, Endpoint
from harness.providers.openai import OPENAI
from harness.providers.told import decode_told
from mocks.host import MockConfig, endpoints
from tests.cli.processes import PROC, children, running, until
from tests.mocks.fast import chat, fast_mocks

pytestmark = pytest.mark.socket

T = TypeVar("T")
COMMAND = (sys.executable, "-P", "-m", "mocks.server")
SLOW = 200.0
"""Tokens per second: a reply takes a good half second."""


@contextlib.contextmanager
def _running() -> Iterator[str]:
    with mock_process(fast_mocks()) as url:
        yield url


def _at(url: str, provider: str) -> Endpoint:
    return endpoints(url, fast_mocks())[provider]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_chat_is_answered_and_tells_its_delay(stream: bool) -> None:
    with _running() as url:
        answer, reply = _answer(OPENAI.chat(_at(url, "openai"), chat(stream)))
    assert reply.text is not None and reply.text.startswith("All done!")
    told = decode_told(answer.headers)
    assert told is not None and told.injected_ms == pytest.approx(20.0)
    assert ("text/event-stream" in answer.headers["content-type"]) == stream


def test_the_mocks_listen_where_they_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with mock_process(fast_mocks(), port) as url:
        assert url == f"http://127.0.0.1:{port}"
        answer, _ = _answer(wechat_ai.fetch_key(_at(url, "wechat-ai")))
    assert answer.status_code == 200


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = msgspec.json.encode(fast_mocks()) + b"\n"
        done = subprocess.run([*COMMAND, str(port)], input=config, capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == f"mocks.server: port {port}: Address already in use\n".encode()


def test_a_session_is_opened_and_pays() -> None:
    order = wechat_ai.Order("ada-0", "ada", "balance", 4580, "CNY", "noodles")
    with _running() as url:
        at = _at(url, "wechat-ai")
        _, opened = _answer(wechat_ai.open_session(at, "ada", "balance"))
        _, key = _answer(wechat_ai.fetch_key(at))
        assert isinstance(opened, wechat_ai.Session)
        pay = wechat_ai.transact(at, "pay.authorize", opened.session_token, key, order)
        _, receipt = _answer(pay)
    assert isinstance(receipt, wechat_ai.Receipt)
    assert receipt.state == "paid"


def test_a_path_of_no_mock_is_not_found() -> None:
    with _running() as url:
        answer, _ = _answer(Call("none", httpx.Request("GET", f"{url}/nobody/here"), _nothing))
    assert answer.status_code == 404
    assert "nobody" in answer.text


def test_chunks_come_as_they_are_made_and_another_call_fits_in_between() -> None:
    heard: list[str] = []

    async def main(url: str) -> None:
        async with Sockets() as transport:
            asked = OPENAI.chat(_at(url, "openai"), chat(stream=True)).request
            streamed = await transport.handle_async_request(asked)
            session = None
            async with contextlib.aclosing(streamed):
                async for chunk in streamed.aiter_raw():
                    heard.append("chunk")
                    session = session or asyncio.create_task(_session(transport, url))
                    ended = b"[DONE]" in chunk
            assert ended and session is not None
            await session

    async def _session(transport: httpx.AsyncBaseTransport, url: str) -> None:
        call = wechat_ai.open_session(_at(url, "wechat-ai"), "ada", "balance")
        async with contextlib.aclosing(
            await transport.handle_async_request(call.request)
        ) as answer:
            await answer.aread()
        heard.append("session")

    with mock_process(fast_mocks(SLOW)) as url:
        run("real", main(url))
    # Had the chunks been gathered, the session would have come after the last of them.
    assert (heard[0], heard[-1]) == ("chunk", "chunk")
    assert "session" in heard


def test_it_ends_with_its_input_even_in_the_middle_of_an_answer() -> None:
    with _started(fast_mocks(SLOW)) as (process, url):

        async def main() -> None:
            async with Sockets() as transport:
                asked = OPENAI.chat(_at(url, "openai"), chat(stream=True)).request
                streamed = await transport.handle_async_request(asked)
                assert process.stdin is not None
                process.stdin.close()
                async with contextlib.aclosing(streamed):
                    with contextlib.suppress(httpx.TransportError):
                        await streamed.aread()

        run("real", main())
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
def test_mocks_that_die_during_a_run_are_noticed() -> None:
    with pytest.raises(RuntimeError, match="ended before the run did"), _dying(fast_mocks()):
        pass


@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
def test_it_ends_when_whoever_started_it_is_killed() -> None:
    code = (
        "import sys, time, msgspec; from harness.cli.mock_process import mock_process;"
        "from mocks.host import MockConfig;"
        "config = msgspec.json.decode(sys.stdin.buffer.readline(), type=MockConfig)\n"
        "with mock_process(config) as url:\n"
        "    print(url, flush=True); time.sleep(600)"
    )
    with _piped([sys.executable, "-P", "-c", code], fast_mocks()) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline().startswith(b"http://127.0.0.1:")
        (mocks,) = children(starter.pid)
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
        until(lambda: not running(mocks))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "Input data was truncated"),
        (b"hello\n", "malformed"),
        (b"{}\n", "missing required field"),
        (b'{"seed": "one"}\n', "Expected `int`"),
    ],
)
def test_a_configuration_that_is_none_is_told_in_one_line(line: bytes, why: str) -> None:
    done = subprocess.run(COMMAND, input=line, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
    (problem,) = done.stderr.decode().splitlines()
    assert problem.startswith("mocks.server: ")
    assert why in problem


def _nothing(status: int, headers: httpx.Headers, body: bytes) -> None: ...


def _answer(call: Call[T]) -> tuple[httpx.Response, T]:
    """The whole answer over a real socket, and what it decodes to."""

    async def main() -> tuple[httpx.Response, T]:
        async with (
            Sockets() as transport,
            contextlib.aclosing(await transport.handle_async_request(call.request)) as response,
        ):
            body = await response.aread()
        return response, call.decode(response.status_code, response.headers, body)

    return run("real", main())


@contextlib.contextmanager
def _dying(config: MockConfig) -> Iterator[None]:
    before = children(os.getpid())
    with mock_process(config) as url:
        assert url
        (mocks,) = children(os.getpid()) - before
        os.kill(mocks[0], signal.SIGKILL)
        until(lambda: not running(mocks))
        yield


@contextlib.contextmanager
def _started(config: MockConfig) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with _piped(COMMAND, config) as process:
        assert process.stdout is not None
        yield process, f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextlib.contextmanager
def _piped(
    command: list[str] | tuple[str, ...], config: MockConfig
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the configuration as its first line of input; killed if it is left over."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(config) + b"\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()
