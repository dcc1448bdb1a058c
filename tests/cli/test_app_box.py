"""The black box as the engine gets it: what is asked is checked, and its arm measures a real app
over sockets from both sides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from harness.cli.app_box import TOKEN, BlackBox, app_arm, check_box, run_number
from harness.cli.exits import BadInput
from harness.cli.mock_process import mock_process
from harness.cli.problems import Problems
from harness.clock import RealClock, run
from harness.http1 import Sockets
from harness.load.engine import Due, Tally, run_round
from harness.providers import app_chat
from harness.providers.call import ProviderFault
from harness.providers.openai import OPENAI
from harness.providers.trace import TRACEPARENT
from mocks.host import endpoints
from tests.mocks.fast import chat, fast_mocks


@dataclass(frozen=True)
class Options:
    host: str = "http://app:8600/"
    mocks_url: str | None = None
    seed: str = "7"
    think_scale: str | None = None
    param: list[str] | None = None


def _checked(options: Options) -> BlackBox:
    problems = Problems()
    box = check_box(options, problems)
    problems.settle()
    return box


def test_options_become_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "hush-hush")
    param = ["turns=3", "path=/v1/chat", 'body={"q": "{message}"}']
    box = _checked(Options(mocks_url="http://mocks/", think_scale="0.5", param=param))
    assert (box.app_url, box.mocks_url, box.token) == (
        "http://app:8600",
        "http://mocks",
        "hush-hush",
    )
    assert (box.seed, box.think_scale) == (7, 0.5)
    assert (box.scenario.turns, box.scenario.path) == (3, "/v1/chat")
    assert "hush" not in repr(box)


def test_every_mistake_is_told_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "hush hush")
    options = Options(seed="x", think_scale="0", param=["turns=0", "path=here"])
    with pytest.raises(BadInput) as raised:
        _checked(options)
    told = "\n".join(raised.value.problems)
    for word in ("--seed", "--think-scale", "turns must", "path must", TOKEN):
        assert word in told
    assert "hush" not in told


def test_runs_have_numbers_of_their_own() -> None:
    numbers = [run_number(run_id) for run_id in ("a", "b", "a")]
    assert numbers[0] == numbers[2] != numbers[1]
    assert all(0 <= number < 2**64 for number in numbers)


# Over sockets


@contextlib.asynccontextmanager
async def _app(mocks_url: str, heard: list[dict[str, str]]) -> AsyncIterator[str]:
    """An app that asks a model once for each message and streams its answer; it passes the trace
    on."""
    at = endpoints(mocks_url, fast_mocks())["openai"]
    async with Sockets() as transport:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                await reader.readexactly(int(headers["content-length"]))
                heard.append(headers)
                call = OPENAI.chat(at, chat())
                call.request.headers[TRACEPARENT] = headers[TRACEPARENT]
                await transport.exchange(RealClock(), call.request, 30.0)
                body = b"".join([*app_chat.encode_pieces("Done."), app_chat.encode_end("paid")])
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"content-length: %d\r\n\r\n%b" % (len(body), body)
                )

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                await serve(reader, writer)
            writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.socket
def test_an_app_is_measured_from_both_sides() -> None:
    heard: list[dict[str, str]] = []

    async def main(mocks_url: str) -> Tally:
        tally, clock = Tally(), RealClock()
        async with _app(mocks_url, heard) as app_url:
            box = _checked(Options(host=app_url, mocks_url=mocks_url))
            async with app_arm(replace(box, token="hush"), clock, "run-1", 0) as arm:
                schedule = [Due(n * 0.01, n, arm, f"u{n}", 1) for n in range(10)]
                await run_round(clock, [arm], schedule, tally)
                counted = arm.world.transport
        assert isinstance(counted, Sockets)
        assert counted.calls == 10  # None of those that ask the mocks.
        return tally

    with mock_process(fast_mocks()) as url:
        tally = run("real", main(url))
    assert tally.finished == len(tally.rows.flows) == 10
    assert {headers["authorization"] for headers in heard} == {"Bearer hush"}
    assert [flow.outcome for flow in tally.rows.flows] == ["paid"] * 10
    assert [flow.calls for flow in tally.rows.flows] == [2] * 10
    inner = [span for span in tally.rows.spans if span.stage == "openai/completions"]
    assert len(inner) == 10
    assert all(span.critical for span in inner)


@pytest.mark.socket
def test_an_arm_does_not_boot_where_no_mocks_answer() -> None:
    async def main() -> None:
        box = _checked(Options(mocks_url="http://127.0.0.1:1"))
        clock = RealClock()
        async with app_arm(box, clock, "run-1", 0) as arm:
            await run_round(clock, [arm], [], Tally())

    with pytest.raises(ProviderFault, match="the mocks at http"):
        run("real", main())
