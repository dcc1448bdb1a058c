"""The inbox on a socket: what comes over HTTP is what would have come in process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from harness.cli.inbox_server import inbox_server
from harness.clock import run
from harness.flow.inbox import Inbox, Notice
from mocks.deliver import HttpDeliver

pytestmark = pytest.mark.socket


def _receive(request: httpx.Request) -> tuple[Notice | None, httpx.Response]:
    """A wire of one line: event, order, and a signature in a header."""
    if request.headers.get("x-signature") != "good":
        return None, httpx.Response(400, text="bad signature")
    event, order = request.content.decode().split()
    answer = httpx.Response(201, text="success", headers={"content-type": "text/plain"})
    return Notice(event, order, "paid"), answer


def _served(story: Callable[[Inbox, str, HttpDeliver], Awaitable[None]]) -> None:
    async def main() -> None:
        inbox = Inbox("")
        async with (
            inbox_server(inbox) as inbox.url,
            contextlib.aclosing(HttpDeliver()) as carry,
        ):
            await story(inbox, inbox.register("bank", _receive), carry)

    run("real", main())


def _notice(url: str, text: str, signature: str = "good") -> httpx.Request:
    return httpx.Request("POST", url, content=text.encode(), headers={"x-signature": signature})


def test_a_notice_reaches_the_flow_that_waits_for_it() -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        waiting = asyncio.create_task(inbox.next("order-1"))
        receipt = await carry(_notice(url, "evt-1 order-1"))
        assert (receipt.status_code, receipt.text) == (201, "success")
        assert await waiting == Notice("evt-1", "order-1", "paid")

    _served(story)


def test_what_comes_twice_is_acknowledged_twice_and_told_once() -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        receipts = [await carry(_notice(url, "evt-1 order-1")) for _ in range(3)]
        assert {receipt.status_code for receipt in receipts} == {201}
        assert inbox.repeated == 2

    _served(story)


def test_a_forged_notice_is_refused_over_the_socket_too() -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        assert (await carry(_notice(url, "evt-1 order-1", "forged"))).status_code == 400
        assert inbox.forged == 1

    _served(story)


@pytest.mark.parametrize("path", ["/", "/nobody", "/bank/elsewhere"])
def test_an_address_that_nobody_expects_notices_at_is_a_404(path: str) -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        assert (await carry(_notice(inbox.url + path, "evt-1 order-1"))).status_code == 404

    _served(story)


def test_a_notice_without_end_is_refused() -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(2_000):
                yield b"x" * 1_000

        assert (await carry(httpx.Request("POST", url, content=endless()))).status_code == 413
        assert inbox.forged == 0

    _served(story)


def test_each_inbox_has_an_address_of_its_own_that_ends_with_it() -> None:
    async def main() -> None:
        async with inbox_server(Inbox("")) as one, inbox_server(Inbox("")) as other:
            assert one != other
            port = httpx.URL(one).port
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port or 0), 5).close()

    run("real", main())


def test_a_sender_that_hangs_up_half_way_disturbs_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def story(inbox: Inbox, url: str, carry: HttpDeliver) -> None:
        at = httpx.URL(url)
        for said in (
            b"POST /bank HTTP/1.1\r\n",
            b"POST /bank HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        ):
            _, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(said)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (await carry(_notice(url, "evt-1 order-1"))).status_code == 201

    _served(story)
    assert capfd.readouterr().err == ""
