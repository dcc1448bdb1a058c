"""Ways to served mocks: a connection pool, a world of its own and an address for notices, an arm
each; it starts no mocks."""

import contextlib
from collections.abc import AsyncIterator

from harness.cli.inbox_server import inbox_server
from harness.cli.wiring import Setup, Way
from harness.flow.inbox import Inbox
from harness.transport import socket_transport
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
        transport = await stack.enter_async_context(socket_transport())
        inbox = Inbox("")
        if any(profile.webhook for profile in setup.mocks.pay.values()):
            inbox.url = await stack.enter_async_context(inbox_server(inbox))
        yield Way(transport, endpoints(base_url, setup.mocks), inbox)
