"""Requests off a socket and answers onto it, as an ASGI application; it decides nothing itself.

What cannot be asked of a mock it turns down: a body too large, one that never ends. A client that
went away before it had asked is answered nothing. An answer that is to break off does so on its
connection, where the server lets it. It listens to no socket.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import msgspec

from harness.answer import Answer, plain
from harness.clock import Clock

MOST_BODY = 1_048_576
"""Bytes of a request's body."""

BODY_PATIENCE_S = 10.0
"""How long a client may take to send its body."""

Message = MutableMapping[str, Any]  # the ASGI specification's own type
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

CONNECTION = "tollbench.connection"
"""What a call's `state` names its connection by."""


class Connection(Protocol):
    """What a server lets be done to the connection of a call, beyond what ASGI has."""

    def reset(self) -> None:
        """Send what was written, then reset it."""

    def fall_silent(self) -> None:
        """Nothing more will be written: it is not to be waited for when the server ends."""


class Asked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request as it came, read to its end. `target` is its path and query as they were sent,
    `path` the path without escapes, for a log; `arrived` is the clock's."""

    method: str
    path: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    arrived: float


Ask = Callable[[Asked], Awaitable[Answer]]
"""Gets a request decided, here or in another process."""

Note = Callable[[str, str, Answer], None]
"""Is told the method and path of what was turned down here, and its answer."""


def asking(ask: Ask, clock: Clock, note: Note) -> Application:
    """Whoever comes is answered what `ask` says; each part of an answer leaves at its time."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                body = await _body(receive)
        except TimeoutError:
            why = f"the body did not end within {BODY_PATIENCE_S:g} s"
            refused = plain(clock, 408, why, {"connection": "close"})
        else:
            if body is None:
                return
            if len(body) <= MOST_BODY:
                answer = await ask(_asked(scope, body, clock))
                await _play(answer, clock, send)
                if answer.ending != "whole":
                    connection = scope.get("state", {}).get(CONNECTION)
                    await _break_off(answer, connection, receive)
                return
            refused = plain(clock, 413, f"a body has {MOST_BODY:,} bytes at most")
        note(scope["method"], scope["path"], refused)
        await _play(refused, clock, send)

    return application


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or more than may be; the server forgets the rest. None when it broke off."""
    parts, size, more = [], 0, True
    while more and size <= MOST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts)


def _asked(scope: Message, body: bytes, clock: Clock) -> Asked:
    # The path as it was sent: an escaped question mark is no query.
    path, query = scope["raw_path"], scope["query_string"]
    target = path + b"?" + query if query else path
    return Asked(scope["method"], scope["path"], target, scope["headers"], body, clock.now())


async def _play(answer: Answer, clock: Clock, send: Send) -> None:
    """All of it that leaves; one that breaks off is not ended."""
    if answer.status == 0:
        await clock.sleep_until(answer.times[-1])
        return
    await clock.sleep_until(answer.times[0])
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": answer.wire_headers}
    )
    last = len(answer.chunks) - 1 if answer.ending == "whole" else len(answer.chunks)
    for n, (time, chunk) in enumerate(zip(answer.times, answer.chunks, strict=True)):
        await clock.sleep_until(time)
        await send({"type": "http.response.body", "body": chunk, "more_body": n < last})


async def _break_off(answer: Answer, connection: Connection | None, receive: Receive) -> None:
    """Returns when the client is gone; whoever leaves earlier would have the answer ended. A server
    that lets nothing be done to its connection ends that in its own way, where it is to end."""
    if answer.ending == "reset":
        if connection is None:
            return
        connection.reset()
    elif connection is not None:
        connection.fall_silent()
    while (await receive())["type"] != "http.disconnect":
        pass
