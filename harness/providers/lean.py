"""httpx's own requests and headers, made without what httpx does for those who know less.

httpx normalises every header, joins every body and copies what it is given. Whoever has it right
already skips that. These are httpx's types with httpx's attributes; a test holds each against one
that httpx made.
"""

from collections.abc import Iterable, Mapping, Sequence, ValuesView
from functools import cached_property
from typing import Any

import httpx

Stream = httpx.SyncByteStream | httpx.AsyncByteStream
Pairs = Sequence[tuple[bytes, bytes]]
"""Headers as they are written, each name with its value."""


class LeanHeaders(httpx.Headers):
    """Names in lower case or as they are to be written, each with its value."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]], encoding: str) -> None:
        self._list = _listed(raw)
        self._encoding = encoding


class NamedHeaders(httpx.Headers):
    """Headers of which no name comes twice, looked up in `named`, whose names are in lower case.

    Most are asked for two or three names and never written, so httpx's own list of them is made
    only for whoever asks for more, or changes one; from then on the list is what holds. `raw` is
    what they are written as, by default the same names.
    """

    def __init__(self, named: Mapping[str, str], encoding: str, raw: Pairs | None = None) -> None:
        self._named: Mapping[str, str] | None = named
        self._written = raw
        self._encoding = encoding

    @property
    def _list(self) -> list[tuple[bytes, bytes, bytes]]:
        if self._named is not None:
            self._own_list, self._named = _listed(self.raw), None
        return self._own_list

    @_list.setter
    def _list(self, listed: list[tuple[bytes, bytes, bytes]]) -> None:
        self._own_list, self._named = listed, None

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        if self._named is None:
            return super().raw
        if self._written is not None:
            return list(self._written)
        encoding = self.encoding
        return [(name.encode(), value.encode(encoding)) for name, value in self._named.items()]

    def values(self) -> ValuesView[str]:
        return super().values() if self._named is None else self._named.values()

    def get(self, key: str, default: Any = None) -> Any:  # as httpx has it
        if self._named is None:
            return super().get(key, default)
        return self._named.get(key.lower(), default)

    def __getitem__(self, key: str) -> str:
        if self._named is None or key.lower() not in self._named:
            return super().__getitem__(key)
        return self._named[key.lower()]

    def __contains__(self, key: Any) -> bool:  # as httpx has it
        return super().__contains__(key) if self._named is None else key.lower() in self._named


class LeanRequest(httpx.Request):
    """A request whose headers are all there, host and length too, and whose body is at hand; a
    stream is made of it for whoever sends it through httpx."""

    _stream: Stream | None = None

    def __init__(self, method: str, url: httpx.URL, headers: httpx.Headers, content: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.extensions = {}
        self._content = content

    @property
    def stream(self) -> Stream:
        return self._stream or httpx.ByteStream(self._content)

    @stream.setter
    def stream(self, stream: Stream) -> None:
        self._stream = stream


class LeanURL(httpx.URL):
    """A URL that is asked for its parts again and again, and takes each apart once."""

    @cached_property
    def path(self) -> str:
        return super().path

    @cached_property
    def raw_path(self) -> bytes:
        return super().raw_path

    @cached_property
    def netloc(self) -> bytes:
        return super().netloc


def _listed(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes, bytes]]:
    """As httpx keeps them: with the name to look them up by."""
    return [(name, name.lower(), value) for name, value in raw]
