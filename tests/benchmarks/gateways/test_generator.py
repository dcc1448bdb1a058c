"""The generator against a small server of its own on the loopback, and what it takes for an
answer; no gateway is started here."""

import asyncio
import contextlib

import httpx
import msgspec
import pytest

from harness.transport import Measured
from tests.benchmarks.gateways.asked import Asked, Block, Took, Way
from tests.benchmarks.gateways.generator import Generator, own_ms, request_of, trouble

BODY = b'{"choices":[{"message":{"content":"Whom shall I pay, how much?"}}]}'
WAY = Way("LiteLLM", "http://127.0.0.1:1/v1/chat/completions", {"authorization": "Bearer k"})


def _measured(status: int = 200, body: bytes = BODY, fault: str = "") -> Measured:
    return Measured(0.0, 0.0, 0.0, 0.0, status, httpx.Headers(), body, fault, fault)


def test_only_the_upstreams_own_answer_is_one() -> None:
    assert trouble(_measured()) == ""
    assert trouble(_measured(500)) == "status 500"
    assert trouble(_measured(body=b"{}")) == "an answer that is not the upstream's"
    assert trouble(_measured(0, b"", "no connection")) == "no connection"


@pytest.mark.parametrize(
    ("value", "read"), [("7.25", 7.25), ("", None), ("None", None), (None, None)]
)
def test_what_a_gateway_says_of_itself_is_read_if_it_can_be(
    value: str | None, read: float | None
) -> None:
    headers = {} if value is None else {"x-litellm-overhead-duration-ms": value}
    assert own_ms(httpx.Headers(headers)) == read


def test_all_ways_are_asked_the_same() -> None:
    other = Way("direct", "http://127.0.0.1:2/openai/v1/chat/completions", {})
    assert request_of(WAY, "json").content == request_of(other, "json").content
    body = msgspec.json.decode(request_of(WAY, "stream").content)
    assert (body["model"], body["stream"]) == ("upstream", True)


@pytest.mark.socket
def test_blocks_are_played_in_their_order_and_all_of_them_is_accounted_for() -> None:
    async def play() -> tuple[list[str], list[int], list[list[Took]]]:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ways = [Way(name, f"http://127.0.0.1:{port}/{name}", {}) for name in ("a", "b")]
        blocks = [
            Block(way="b", rate=1_000, requests=10),
            Block(way="a", rate=1_000, requests=8),
            Block(way="b", in_flight=2, seconds=0.02),
        ]
        asked = Asked(ways=ways, kind="json", blocks=blocks, warm=1, patience_s=5.0)
        played = await Generator(asked, frozen=False).play()
        server.close()
        answering = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*answering), 30.0)
        return (
            [block.way for block in played],
            [block.sent - block.failed - len(block.took) for block in played],
            [block.took for block in played],
        )

    ways, lost, took = asyncio.run(play())
    assert (ways, lost) == (["b", "a", "b"], [0, 0, 0])
    assert [len(answers) for answers in took[:2]] == [10, 8]
    assert all(one.total_ms > 0 and one.own_ms == 1.5 for block in took for one in block)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same to everybody, on a kept connection."""
    head = b"HTTP/1.1 200 OK\r\nx-litellm-overhead-duration-ms: 1.5\r\ncontent-length: %d\r\n\r\n"
    try:
        while True:
            asked = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[16:]) for line in asked.lower().split(b"\r\n")
                if line.startswith(b"content-length: ")
            )  # fmt: skip
            await reader.readexactly(length)
            writer.write(head % len(BODY) + BODY)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
