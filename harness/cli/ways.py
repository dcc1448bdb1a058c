"""Ways to served mocks: a connection pool, a world of its own and an address for notices, an arm
each; it starts no mocks."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

import httpx
import msgspec

from harness import clock as clocks
from harness.books import Account
from harness.cli.inbox_server import inbox_server
from harness.cli.wiring import Setup, Way
from harness.clock import RealClock
from harness.flow.flow import PATIENCE_S
from harness.flow.inbox import Inbox
from harness.http1 import Sockets
from harness.providers.call import Endpoint, Unreachable
from harness.transport import measure
from mocks.credentials import CREDENTIALS, Keyed
from mocks.host import endpoints

BOOKS_PATIENCE_S = 300.0
"""How long mocks may take to tell all their books: of a long load they are many."""


@contextlib.asynccontextmanager
async def socket_ways(setup: Setup, base_url: str) -> AsyncIterator[list[Way]]:
    """One for each variant. Their worlds are equal and apart, as on the virtual clock: what one
    strategy keeps busy, another does not wait for."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(socket_way(setup, f"{base_url}/~{n}"))
            for n in range(len(setup.variants))
        ]


@contextlib.asynccontextmanager
async def socket_way(setup: Setup, base_url: str) -> AsyncIterator[Way]:
    """A way to the mocks behind that address."""
    async with contextlib.AsyncExitStack() as stack:
        transport = await stack.enter_async_context(Sockets())
        inbox = Inbox("")
        if any(profile.webhook for profile in setup.mocks.pay.values()):
            inbox.url = await stack.enter_async_context(inbox_server(inbox))
        at = endpoints(base_url, setup.mocks)
        for lane, profile in setup.mocks.pay.items():
            if keyed := CREDENTIALS.get(profile.provider):
                at[lane] = await _keyed(transport, keyed, at[lane].base_url)
        yield Way(transport, at, inbox, partial(books_at, base_url))


async def books_at(base_url: str) -> list[Account] | None:
    """The books of the mocks behind that address; None where nobody has used that world. They are
    asked for on a connection of their own, when nothing is measured any more: there may be many."""
    origin, _, world = base_url.partition("/~")
    async with httpx.AsyncClient(trust_env=False, timeout=BOOKS_PATIENCE_S) as client:
        try:
            answer = await client.get(f"{origin}/_books", params={"world": world})
        except httpx.TransportError as error:
            raise Unreachable(f"the mocks do not tell their books: {error!r}") from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.status_code != httpx.codes.OK:
        raise Unreachable(f"the mocks do not tell their books: {answer.status_code}")
    return msgspec.json.decode(answer.content, type=list[Account])


def books_there(base_url: str) -> list[Account] | None:
    """The same, for whoever runs no loop."""
    return clocks.run("real", books_at(base_url))


async def _keyed(transport: httpx.AsyncBaseTransport, keyed: Keyed, base_url: str) -> Endpoint:
    """With the keys that the mocks' own process has made."""
    call = keyed.ask(base_url)
    took = await measure(transport, RealClock(), call.request, PATIENCE_S)
    if took.fault:
        raise Unreachable(took.fault)
    return call.decode(took.status, took.headers, took.body)
