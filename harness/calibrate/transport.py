"""A transport that records what another one carries; it passes on all but its own header.

    with Recorder("calls.jsonl") as recorder:
        transport = RecordingTransport(httpx.AsyncHTTPTransport(), recorder)
        client = httpx.AsyncClient(transport=transport)

Times are taken below the client, by harness.transport: an answer is read as fast as it comes,
whatever its client does meanwhile.
"""

from collections.abc import AsyncIterator
from typing import cast

import httpx

from harness.calibrate.exchange import STAGE_HEADER, stage_told
from harness.calibrate.recorder import Recorder
from harness.calibrate.taking import Taking, provider_of
from harness.providers.told import read_draw
from harness.transport import MeasuringTransport, streamed


class RecordingTransport(httpx.AsyncBaseTransport):
    """For a client of the user's own. The recorder stays open when the transport is closed."""

    def __init__(self, inner: httpx.AsyncBaseTransport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stage = stage_of(request, self._recorder.stage_header)
        if STAGE_HEADER in request.headers:
            # Its own copy: a client asks again, where it is sent on, with what it asked at first.
            request = _copy(request)
            del request.headers[STAGE_HEADER]
        taking = Taking(self._recorder, request, provider_of(request.url), stage)
        taking.tells_dialing = isinstance(self._inner, MeasuringTransport)
        return await recorded(self._inner, request, taking, self._recorder)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _copy(request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )


async def recorded(
    inner: httpx.AsyncBaseTransport, request: httpx.Request, taking: Taking, recorder: Recorder
) -> httpx.Response:
    """Send the request; the answer comes piece by piece, and is told when it is over."""
    timeouts = cast(dict[str, float | None], request.extensions.get("timeout", {}))
    tap = _Tap(inner, taking)
    return await streamed(tap, recorder.clock, request, timeouts.get("read"), taking.tell)


def stage_of(request: httpx.Request, header: str) -> str:
    """As the client says it, or the draw that one of ours sends; "" where nobody says."""
    told = stage_told(request.headers.get(header, ""))
    draw = None if told else read_draw(request)
    return draw.stage if draw is not None else told


class _Tap(httpx.AsyncBaseTransport):
    """Below what measures, so that a piece is told at the moment when it came."""

    def __init__(self, inner: httpx.AsyncBaseTransport, taking: Taking) -> None:
        self._inner = inner
        self._taking = taking

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        taking = self._taking
        if isinstance(request.stream, httpx.ByteStream):
            taking.send(b"".join(request.stream))
        elif isinstance(request.stream, httpx.AsyncByteStream):
            request.stream = _Passing(request.stream, taking)
        answer = await self._inner.handle_async_request(request)
        taking.head(answer)
        if isinstance(answer.stream, httpx.ByteStream):
            if body := b"".join(answer.stream):
                taking.piece(body)
            return answer
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Coming(answer.stream, taking),
            extensions=answer.extensions,
        )


class _Passing(httpx.AsyncByteStream):
    """A body that is being sent."""

    def __init__(self, inner: httpx.AsyncByteStream, taking: Taking) -> None:
        self._inner = inner
        self._taking = taking

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._taking.send(piece)
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Coming(httpx.AsyncByteStream):
    """A body that comes."""

    def __init__(self, inner: httpx.AsyncByteStream, taking: Taking) -> None:
        self._inner = inner
        self._taking = taking

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            if piece:
                self._taking.piece(piece)
                if self._taking.proxied:
                    await self._taking.room_for(len(piece))
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
