"""A reference chat agent behind POST /chat, on Starlette: something to load-test.

It is the agent of every scenario, hearing words instead of playing a story. It listens to no
socket and measures nothing; what it remembers, and whom it asks, is handed in.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from http import HTTPStatus

import msgspec
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.flow.flow import Flow
from harness.providers import app_chat
from harness.providers.app_chat import BadMessage, Ended, Message
from harness.providers.trace import TRACEPARENT
from scenarios.agent_memory import Conversations

HEALTH = "/health"

MOST_BODY = 65_536
"""Bytes of a request's body."""

BODY_PATIENCE_S = 10.0
"""How long a client may take to send it."""

EVENTS_A_CHUNK = 8
"""Words that leave together: the whole text is known by then, and each write costs."""

BUG = "internal"

FAULTS = {
    "Unreachable": ("unreachable", "A provider did not answer."),
    "Overloaded": ("overloaded", "A provider cannot serve this now."),
    "RateLimited": ("rate_limited", "A provider is asked too often."),
    "Unauthorized": ("unauthorized", "A provider does not take this agent's key."),
    "Malformed": ("malformed", "A provider answered what its wire does not allow."),
    "Guarded": ("guarded", "A model asked for something else than the user."),
}
ANY_FAULT = ("provider_fault", "A provider broke its side of the wire.")
"""What a client is told of a fault: its kind, and not what a provider said of it."""

_LOG = logging.getLogger("tollbench.agent")


def agent_app(conversations: Conversations, ended: Counter[str]) -> Starlette:
    """`ended` counts messages by the outcome of their turn; those that failed by the code that was
    told."""

    async def chat(request: Request) -> Response:
        message = _message(await _body(request))
        try:
            flow, told = await conversations.hear(message, request.headers.get(TRACEPARENT, ""))
        except BadMessage:
            raise
        except Exception:
            # Left to the server, it would close the connection under the client's next request.
            _LOG.exception("a bug ended a turn")
            ended[BUG] += 1
            return _error(500, BUG, "The agent met a bug of its own.")
        # What runs on after the answer belongs to no client any more.
        rest = BackgroundTask(_finish, flow)
        if flow.outcome == "error":
            code, why = FAULTS.get(flow.fault.partition(":")[0], ANY_FAULT)
            ended[code] += 1
            return _error(502, code, why, rest)
        ended[flow.outcome] += 1
        events = _events(told, msgspec.convert(flow.outcome, Ended))
        return StreamingResponse(events, headers=_STREAM, background=rest)

    async def health(_: Request) -> Response:
        known, strategy = len(conversations), conversations.strategy.name
        return JSONResponse({"status": "ok", "strategy": strategy, "conversations": known})

    return Starlette(
        routes=[Route(app_chat.PATH, chat, methods=["POST"]), Route(HEALTH, health)],
        exception_handlers={BadMessage: _bad_message, HTTPException: _refused},
    )


async def _body(request: Request) -> bytes:
    """The whole of it. Raises BadMessage for one that is too large or breaks off, HTTPException for
    one that does not end."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BODY:
                    raise BadMessage(f"a body has {MOST_BODY:,} bytes at most")
    except TimeoutError:
        raise HTTPException(408, f"The body did not end within {BODY_PATIENCE_S:g} s.") from None
    except ClientDisconnect:
        raise BadMessage("the body broke off") from None
    return bytes(body)


def _message(body: bytes) -> Message:
    message = app_chat.decode_message(body)
    if not message.user or not message.message.strip():
        raise BadMessage("user and message must not be empty")
    return message


async def _events(told: str, outcome: Ended) -> AsyncIterator[bytes]:
    events = [*app_chat.encode_pieces(told), app_chat.encode_end(outcome)]
    for at in range(0, len(events), EVENTS_A_CHUNK):
        yield b"".join(events[at : at + EVENTS_A_CHUNK])


async def _bad_message(_: Request, bad: Exception) -> Response:
    return _error(400, "bad_message", str(bad))


async def _refused(_: Request, why: Exception) -> Response:
    assert isinstance(why, HTTPException)
    answer = _error(why.status_code, HTTPStatus(why.status_code).name.lower(), why.detail)
    answer.headers.update(why.headers or {})
    return answer


def _error(status: int, code: str, why: str, rest: BackgroundTask | None = None) -> Response:
    body = app_chat.encode_error(code, why)
    return Response(body, status, media_type="application/json", background=rest)


async def _finish(flow: Flow) -> None:
    try:
        await flow.join()
    except Exception:
        _LOG.exception("a bug beside a turn")


_STREAM = {"content-type": app_chat.STREAM, "cache-control": "no-store"}
