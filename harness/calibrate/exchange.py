"""A recording's lines: a head that says what it is, then an exchange each; it opens no file.

A line has times, sizes, counts and shapes. It has no header, no query, no id out of a path, and no
word of a body unless whoever recorded asked for bodies.
"""

import re
from functools import lru_cache

import msgspec

from harness.calibrate.samples import BadRecording
from harness.providers.call import UNREADABLE

VERSION = 1

STAGE_HEADER = "x-tollbench-stage"
"""Says what a call is for. It is our own, so no provider is ever sent it."""

_OPENING = b'{"tollbench_recording":'
_WORD = re.compile(r"[a-z]{1,24}(?:[A-Z][a-z]{1,24})*(?:[._-][a-z]{1,24})*", re.ASCII)
_VERSION = re.compile(r"v[0-9]{1,2}(?:(?:alpha|beta)[0-9]{0,2})?", re.ASCII)
_STAGE = re.compile(r"[!-~](?:[ -~]{0,78}[!-~])?", re.ASCII)
LONGEST_PATH = 200


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line, and again where recording was taken up later; `upstreams` are hosts by
    name."""

    tollbench_recording: int = VERSION
    tool_version: str
    began_at: str
    upstreams: dict[str, str] = {}


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and its answer. Times are seconds since the request was sent; `dns_s`, `tcp_s`
    and `tls_s` are those of a connection that was opened for it."""

    started_at: str
    provider: str
    host: str
    method: str
    path: str
    stage: str
    model: str = ""
    status: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    streamed: bool = False
    first_byte_s: float | None = None
    first_token_s: float | None = None
    total_s: float = 0.0
    fresh: bool | None = None
    """None where the transport does not tell."""
    dns_s: float | None = None
    tcp_s: float | None = None
    tls_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    pieces: list[tuple[float, int]] = []
    """Of a stream: when each came and how many bytes it had, as far as there is room."""
    pieces_left_out: int = 0
    proxy_ms: float | None = None
    """By how much the first byte was late because of us; None where no proxy stood between."""
    held_s: float | None = None
    """How long nothing was read, as the client was behind by too much."""
    whole: bool = True
    """False where the client wanted no more: it would have taken longer."""
    fault: str = ""
    request_shape: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    response_shape: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    request_body: str = ""
    response_body: str = ""


def encode_line(told: Head | Exchange) -> bytes:
    return msgspec.json.encode(told) + b"\n"


def is_head(line: bytes) -> bool:
    return line.startswith(_OPENING)


def decode_head(line: bytes) -> Head:
    """Raises BadRecording, in words that go on after the file's name."""
    try:
        version = msgspec.json.decode(line, type=_Versioned).tollbench_recording
        if version > VERSION:
            raise BadRecording(f"has version {version}: a newer tollbench reads it")
        return msgspec.json.decode(line, type=Head)
    except UNREADABLE:
        raise BadRecording("has a first line that is damaged: record again") from None


def decode_exchange(line: bytes) -> Exchange | None:
    """None for a line that is none; the last one may have been cut off."""
    try:
        return msgspec.json.decode(line, type=Exchange)
    except UNREADABLE:
        return None


def stage_told(text: str) -> str:
    """A stage as a header has it, "" where it is none that can be written down."""
    text = text.strip()
    return text if _STAGE.fullmatch(text) else ""


@lru_cache(4096)
def shown_path(path: str) -> str:
    """The path with all that may be an id, a name or a key replaced: of a part, only words and
    versions stay."""
    shown = "/".join(_shown_part(part) for part in path.partition("?")[0].split("/"))
    return shown if len(shown) <= LONGEST_PATH else shown[: LONGEST_PATH - 2] + ".."


def _shown_part(part: str) -> str:
    id_, colon, verb = part.partition(":")
    if colon:
        return f"{_shown_part(id_)}:{_shown_part(verb)}"
    known = not part or _VERSION.fullmatch(part) or _WORD.fullmatch(part)
    return part if known else "{id}"


class _Versioned(msgspec.Struct):
    tollbench_recording: int
