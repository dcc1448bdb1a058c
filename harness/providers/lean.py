"""httpx's own requests and headers, made without what httpx does for those who know less.

httpx normalises every header, joins every body and copies what it is given. Whoever has it right
already skips that. These are httpx's types with httpx's attributes; a test holds each against one
that httpx made.
"""

from collections.abc import Iterable

import httpx


class LeanHeaders(httpx.Headers):
    """Names in lower case or as they are to be written, each with its value."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]], encoding: str) -> None:
        self._list = [(name, name.lower(), value) for name, value in raw]
        self._encoding = encoding


class LeanRequest(httpx.Request):
    """A request whose headers are all there, host and length too, and whose body is at hand."""

    def __init__(self, method: str, url: httpx.URL, headers: httpx.Headers, content: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.extensions = {}
        self.stream = httpx.ByteStream(content)
        self._content = content
