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
from harness.providers import alipay_ai
from harness.providers.call import Endpoint, Unreachable
from harness.transport import measure
from mocks.host import alipay_endpoint, endpoints


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
            if profile.provider == "alipay-ai":
                at[lane] = await _alipay(transport, at[lane].base_url)
        yield Way(transport, at, inbox)


async def _alipay(transport: httpx.AsyncBaseTransport, base_url: str) -> Endpoint:
    """With the keys that the mocks' own process has made."""
    call = alipay_ai.fetch_keys(base_url)
    took = await measure(transport, RealClock(), call.request, PATIENCE_S)
    if took.fault:
        raise Unreachable(took.fault)
    keys = call.decode(took.status, took.headers, took.body)
    return alipay_endpoint(base_url, keys.app_id, keys.app_private_key, keys.alipay_public_key)
