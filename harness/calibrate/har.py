"""Samples out of an HTTP archive (HAR 1.1 or 1.2), as browsers and proxies write them.

Source: http://www.softwareishard.com/blog/har-12-spec/. Times are milliseconds; -1, or nothing,
says that there was no such phase, and `ssl` is a part of `connect`. `blocked` is the client's own
queue, which is no time of the provider's: it is left out.
"""

import base64
from collections.abc import Sequence

import msgspec

from harness.calibrate.bodies import asked_model, documents, used
from harness.calibrate.samples import NO_TIME, Sample, Told, written_at
from harness.calibrate.taking import provider_of, read_url
from harness.providers.call import UNREADABLE
from harness.providers.trace import operation_of

CACHED = "answered by the client's own cache"
NOT_HTTP = "to something that is not asked over HTTP"


def is_har(value: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(value, type=_Har)
    except UNREADABLE:
        return False
    return True


def read(values: Sequence[msgspec.Raw]) -> Told:
    told = Told(first_known=True)
    for value in filter(is_har, values):
        for entry in msgspec.json.decode(value, type=_Har).log.entries:
            try:
                _take(told, msgspec.json.decode(entry, type=_Entry))
            except UNREADABLE:
                told.skip("that is no entry of an archive")
    return told


def _take(told: Told, entry: "_Entry") -> None:
    request, response, took = entry.request, entry.response, entry.timings
    url = read_url(request.url)
    if url.scheme not in ("http", "https"):
        told.skip(NOT_HTTP)
        return
    if response.status <= 0 or response.error:
        told.skip("failed")
        return
    if entry.from_cache:
        told.skip(CACHED)
        return
    if took.wait is None or took.wait < 0:
        told.skip(NO_TIME)
        return
    first_ms = sum(_ms(part) for part in (took.dns, took.connect, took.send, took.wait))
    asked = (request.post_data.text if request.post_data else "").encode()
    got = used(documents(response.content.body, response.content.mime_type))
    told.add(
        Sample(
            stage=operation_of(url.path),
            provider=provider_of(url),
            model=asked_model(url.path, asked) or got.model,
            first_token_s=round(first_ms / 1000, 9),
            total_s=round((first_ms + _ms(took.receive)) / 1000, 9),
            completion_tokens=got.completion,
            # Firefox writes 0, and not -1, where there was a connection.
            fresh=_ms(took.connect) > 0,
            status=response.status,
        ),
        written_at(entry.started),
    )


def _ms(phase: float | None) -> float:
    return phase if phase is not None and phase > 0 else 0.0


class _Post(msgspec.Struct):
    text: str = ""


class _Request(msgspec.Struct, rename="camel"):
    url: str
    post_data: _Post | None = None


class _Content(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    text: str | None = None
    encoding: str = ""

    @property
    def body(self) -> bytes:
        body = (self.text or "").encode()
        if self.encoding != "base64":
            return body
        try:
            return base64.b64decode(body)
        except ValueError:
            return b""


class _Response(msgspec.Struct):
    status: int
    content: _Content = msgspec.field(default_factory=_Content)
    error: str | None = msgspec.field(default=None, name="_error")


class _Timings(msgspec.Struct):
    dns: float | None = None
    connect: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None


class _Entry(msgspec.Struct):
    request: _Request
    response: _Response
    timings: _Timings
    started: str = msgspec.field(default="", name="startedDateTime")
    from_cache: str | bool | None = msgspec.field(default=None, name="_fromCache")
    """As Chrome has it: "disk" or "memory"."""


class _Entries(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Entries
