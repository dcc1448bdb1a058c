"""Ways to served mocks: a connection pool, a world of its own and an address for notices, an arm
each; it starts no mocks."""

import contextlib
from collections.abc import AsyncIterator

import httpx

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
        yield Way(transport, at, inbox)


async def _keyed(transport: httpx.AsyncBaseTransport, keyed: Keyed, base_url: str) -> Endpoint:
    """With the keys that the mocks' own process has made."""
    call = keyed.ask(base_url)
    took = await measure(transport, RealClock(), call.request, PATIENCE_S)
    if took.fault:
        raise Unreachable(took.fault)
    return call.decode(took.status, took.headers, took.body)
