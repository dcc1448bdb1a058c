"""An answer as it is given on: it leads nowhere else, and its end is told to whoever counts.

It asks nobody, and reads nothing of what an answer says.
"""

from collections.abc import AsyncIterator, Callable

import httpx


class Watched(httpx.AsyncByteStream):
    """A body that is given on as it comes. Its end is told once, with all of it or, where nobody
    wanted the rest, with None."""

    def __init__(self, response: httpx.Response, ended: Callable[[bytes | None], None]) -> None:
        self._response = response
        self._ended: Callable[[bytes | None], None] | None = ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = []
        async for chunk in stream_of(self._response):
            chunks.append(chunk)
            yield chunk
        self._tell(b"".join(chunks))

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        finally:
            self._tell(None)

    def _tell(self, body: bytes | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(body)


def leading_nowhere(headers: httpx.Headers) -> httpx.Headers:
    """A redirect is an answer like any other, which no wire of ours takes for a good one."""
    return httpx.Headers([each for each in headers.raw if each[0].lower() != b"location"])


def given_on(response: httpx.Response, stream: httpx.AsyncByteStream) -> httpx.Response:
    return httpx.Response(
        response.status_code,
        headers=leading_nowhere(response.headers),
        stream=stream,
        extensions=response.extensions,
    )


async def whole(response: httpx.Response) -> bytes:
    try:
        return b"".join([chunk async for chunk in stream_of(response)])
    finally:
        await response.aclose()


def stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream
