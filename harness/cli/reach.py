"""Whether a host can be reached, and how long its name, TCP and TLS take; it sends no request and
no key."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import httpx
import msgspec

from harness.clock import RealClock
from harness.http1 import Sockets
from harness.real.hosts import origin_of
from harness.transport import MeasuringTransport

PATIENCE_S = 5.0

Connecting = Callable[[], AbstractAsyncContextManager[MeasuringTransport]]
"""What opens connections."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """`fault` says why there is no connection; what came before it has its time. A host that is an
    address has no name to look up, and http no handshake."""

    dns_ms: float | None = None
    tcp_ms: float | None = None
    tls_ms: float | None = None
    fault: str = ""


def reach(bases: Mapping[str, str], connecting: Connecting = Sockets) -> dict[str, Reached]:
    """A connection to each of these base URLs, by name, opened side by side and closed again."""
    return asyncio.run(_reach(bases, connecting))


async def _reach(bases: Mapping[str, str], connecting: Connecting) -> dict[str, Reached]:
    origins = {name: origin_of(httpx.URL(base)) for name, base in bases.items()}
    base_at = {origins[name]: base for name, base in bases.items()}
    async with connecting() as transport:
        found = await asyncio.gather(*(_connect(transport, base) for base in base_at.values()))
    reached = dict(zip(base_at, found, strict=True))
    return {name: reached[origin] for name, origin in origins.items()}


async def _connect(transport: MeasuringTransport, base: str) -> Reached:
    took = await transport.connect(RealClock(), httpx.URL(base), PATIENCE_S)
    if took is None:
        return Reached(fault="a connection was there already")
    phases = took.dialed.phases if took.dialed else ()
    took_ms = {of.name: round((of.end - of.start) * 1e3, 1) for of in phases if of.done}
    return Reached(
        dns_ms=took_ms.get("dns"),
        tcp_ms=took_ms.get("tcp"),
        tls_ms=took_ms.get("tls"),
        fault=took.fault_kind or took.fault,
    )
