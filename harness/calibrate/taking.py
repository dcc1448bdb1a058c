"""One exchange while it passes: what is known of it so far, and the line it becomes.

It never reads anything itself and changes nothing that passes. It keeps of each body what it has to
look into, up to a limit, and forgets it with the exchange.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import httpx
import msgspec

from harness.calibrate.bodies import (
    MOST_LOOKED_AT,
    asked_model,
    documents,
    is_stream,
    plain_body,
    used,
)
from harness.calibrate.exchange import Exchange, shown_path
from harness.calibrate.masked import masked
from harness.calibrate.recorder import Recorder, written_time
from harness.calibrate.shapes import shape_of
from harness.providers import MODELS, PAYMENTS, SECOND
from harness.providers.trace import operation_of
from harness.transport import Dialed, Measured, PhaseName

MOST_PIECES = 1024
"""Pieces of a stream that are told one by one."""

MOST_BEHIND = 8 * 1024 * 1024
"""Bytes that a client may be behind; then nothing is read until it has caught up."""

SENT = "tollbench.sent"
"""The extension by which a response says when its request was written, on a connection that stood
open; time.perf_counter's."""

HOSTS: Mapping[str, str] = {
    host: name
    for name, wire in {**SECOND, **PAYMENTS, **MODELS}.items()
    for host in cast(Sequence[str], getattr(wire, "HOSTS", ()))
}
"""Whose host it is, by the wires."""

_SECRET_HEADERS = frozenset({"cookie", "set-cookie"})
_HARMLESS_HEADERS = ("accept", "content-", "user-agent", "x-stainless-", "host", "connection")


class Taking:
    """Its owner says what passes; with the last of it the line is written."""

    def __init__(
        self,
        recorder: Recorder,
        request: httpx.Request,
        provider: str,
        stage: str,
        *,
        proxied: bool = False,
    ) -> None:
        """Of one that is `proxied` the owner says what it has handed on, and when that is over."""
        self.proxied = proxied
        self.head_came: float | None = None
        self.first_came: float | None = None
        """When the first byte of the body came."""
        self.sent_at: float | None = None
        """When the request was written, where the transport says: times count from there."""
        self.tells_dialing = proxied
        """Whether nothing told of a connection says that one stood open."""
        self.proxy_s: float | None = None
        """By how much a proxy of ours made the first byte late."""
        self._recorder = recorder
        self._now = recorder.clock.now
        self._began_at = written_time(recorder.clock.unix_s())
        self._provider = provider
        self._stage = stage
        self._request = request
        self._answer: httpx.Response | None = None
        self._sent = _Kept()
        self._came = _Kept()
        self._pieces: list[tuple[float, int]] = []
        self._left_out = 0
        self._behind = 0
        self._held_s = 0.0
        self._caught_up: asyncio.Future[None] | None = None
        self._took: tuple[Measured, bool] | None = None

    def send(self, piece: bytes) -> None:
        self._sent.add(piece)

    def head(self, answer: httpx.Response) -> None:
        self.head_came = self._now()
        self.sent_at = answer.extensions.get(SENT)
        self._answer = answer

    def piece(self, piece: bytes) -> None:
        now = self._now()
        self.first_came = now if self.first_came is None else self.first_came
        self._came.add(piece)
        if len(self._pieces) < MOST_PIECES:
            self._pieces.append((now, len(piece)))
        else:
            self._left_out += 1

    async def room_for(self, size: int) -> None:
        """Return when the client is not too far behind to be handed so much more."""
        if self._behind > MOST_BEHIND:
            began = self._now()
            while self._behind > MOST_BEHIND and self._took is None:
                self._caught_up = asyncio.get_running_loop().create_future()
                await self._caught_up
            self._held_s += self._now() - began
        self._behind += size

    def handed_on(self, size: int) -> None:
        self._behind -= size
        if self._caught_up is not None and not self._caught_up.done():
            self._caught_up.set_result(None)

    def tell(self, took: Measured, whole: bool) -> None:
        """The answer is over, as harness.transport tells it."""
        self._took = (took, whole)
        if not self.proxied:
            self.finish()

    def finish(self) -> None:
        """Nothing of it is to be handed on any more. Looking into bodies takes its time, so that
        nobody may wait for this."""
        if self._took is not None:
            self._recorder.take(self._line(*self._took))

    def _line(self, took: Measured, whole: bool) -> Exchange:
        request = self._request
        start = took.start if self.sent_at is None else self.sent_at
        headers = httpx.Headers() if self._answer is None else self._answer.headers
        kind = headers.get("content-type", "")
        stream = is_stream(kind)
        asked = self._sent.plain(request.headers)
        got = self._came.plain(headers)
        answered = documents(got, kind)
        told = used(answered)
        path = shown_path(request.url.raw_path.decode("ascii"))
        phases = _phases(took.dialed)
        kept = self._recorder.bodies
        return Exchange(
            started_at=self._began_at,
            provider=self._provider,
            host=request.url.netloc.decode("ascii"),
            method=request.method,
            path=path,
            stage=self._stage or operation_of(path),
            model=asked_model(request.url.path, asked) or told.model,
            status=0 if self._answer is None else self._answer.status_code,
            request_bytes=self._sent.size,
            response_bytes=self._came.size,
            streamed=stream,
            first_byte_s=_since(start, self.first_came),
            first_token_s=_since(start, self._first_token(took)),
            total_s=_rounded(took.end - start),
            fresh=took.dialed is not None if took.dialed or self.tells_dialing else None,
            dns_s=phases.get("dns"),
            tcp_s=phases.get("tcp"),
            tls_s=phases.get("tls"),
            prompt_tokens=told.prompt,
            completion_tokens=told.completion,
            pieces=[(_rounded(at - start), n) for at, n in self._pieces] if stream else [],
            pieces_left_out=self._left_out if stream else 0,
            proxy_ms=None if self.proxy_s is None else _rounded(self.proxy_s * 1000),
            held_s=_rounded(self._held_s) if self._held_s else None,
            whole=whole,
            fault=took.fault_kind,
            request_shape=_shape(documents(asked, "")),
            response_shape=_shape(answered),
            request_body=self._shown(asked) if kept else "",
            response_body=self._shown(got) if kept else "",
        )

    def _first_token(self, took: Measured) -> float | None:
        """Where there was none, the end stands in for it, which is no time of a token."""
        if self.first_came is None or took.fault or took.first_token < self.first_came:
            return None
        return took.first_token

    def _shown(self, body: bytes) -> str:
        """No byte of a body that is no text."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return ""
        headers = [self._request.headers] + ([self._answer.headers] if self._answer else [])
        secrets = [secret for of in headers for secret in _secrets(of)]
        query = [value for _, value in self._request.url.params.multi_items()]
        return masked(text, [*secrets, *query])


class _Kept:
    """A body as far as it is looked into, and how many bytes it had."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= MOST_LOOKED_AT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def plain(self, headers: httpx.Headers) -> bytes:
        """Decoded; nothing where it cannot be, or is too long."""
        body = b"".join(self._pieces)
        return plain_body(body, headers.get("content-encoding", "")) or b""


def read_url(text: str) -> httpx.URL:
    """An empty one where the text is none."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        return httpx.URL()


def provider_of(url: httpx.URL) -> str:
    """By its host; of a server of mocks by where its path begins; else the host itself."""
    # Not url.host, which raises for what is no name in any script.
    host = url.raw_host.decode("ascii")
    if host in HOSTS:
        return HOSTS[host]
    first = url.path.split("/", 2)[1]
    return first if first in MODELS or first in PAYMENTS else url.netloc.decode("ascii")


def _phases(dialed: Dialed | None) -> dict[PhaseName, float]:
    phases = dialed.phases if dialed else ()
    return {phase.name: _rounded(phase.end - phase.start) for phase in phases}


def _shape(values: list[bytes]) -> msgspec.Raw | msgspec.UnsetType:
    shape = shape_of(values)
    return msgspec.UNSET if shape is None else msgspec.Raw(msgspec.json.encode(shape))


def _secrets(headers: httpx.Headers) -> Iterator[str]:
    """What stands in headers that may have a key: all but those that are known to have none."""
    for name, value in headers.multi_items():
        if name.startswith(_HARMLESS_HEADERS):
            continue
        yield value
        if name in _SECRET_HEADERS or " " in value:
            yield from (part.partition("=")[2] or part for part in value.replace(";", " ").split())


def _since(start: float, at: float | None) -> float | None:
    return None if at is None else _rounded(at - start)


def _rounded(value: float) -> float:
    """To a millionth, which is less than a clock that others share can tell."""
    return round(value, 6)
