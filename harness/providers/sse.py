"""Server-sent events as model providers stream them; pure, and no reader of what the data says.

Grammar: WHATWG HTML, section "Server-sent events": lines end in LF, CR LF or CR, a line that
starts with a colon is a comment, several data lines of one event are joined by LF, and an event
that no blank line closes is never dispatched.
"""

import re
from collections.abc import Iterator

import msgspec

_LINE_END = re.compile(r"\r\n|\n|\r")


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event; `name` is "" where the stream names none."""

    data: str
    name: str = ""


def encode_event(event: Event) -> bytes:
    name = f"event: {event.name}\n" if event.name else ""
    data = "".join(f"data: {line}\n" for line in _LINE_END.split(event.data))
    return f"{name}{data}\n".encode()


def encode_json(data: bytes) -> bytes:
    """An event whose data is JSON as encoders write it: it has no line end."""
    return b"data: %b\n\n" % data


def encode_comment(text: str) -> bytes:
    return f": {text}\n\n".encode()


def decode_events(body: bytes) -> Iterator[Event]:
    """The events of a whole stream. Bytes that are not UTF-8 become the replacement character, as
    the grammar says."""
    text = _text(body)
    plain = _plain(text)
    return map(Event, plain) if plain is not None else _read(text)


def decode_data(body: bytes) -> list[str]:
    """What the events of a whole stream hold, for who asks for no event's name."""
    text = _text(body)
    plain = _plain(text)
    return plain if plain is not None else [event.data for event in _read(text)]


def is_keep_alive(chunk: bytes) -> bool:
    """Whether the bytes hold nothing but blank lines and comments, as servers send them to a client
    that has to wait: they are no part of an answer, of whatever kind."""
    first = chunk[:1]
    if first != b":" and first.strip():
        return False  # So most chunks are told apart without reading them.
    lines = chunk.replace(b"\r", b"\n").split(b"\n")
    return all(not line.strip() or line.startswith(b":") for line in lines)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def _plain(text: str) -> list[str] | None:
    """The data of a stream that holds nothing but events of one line of data each, as most servers
    send it: it needs no reading line by line. None of any other stream."""
    if not (text.startswith("data: ") and text.endswith("\n\n")) or "\r" in text:
        return None
    data = text[6:-2].split("\n\ndata: ")
    return None if "\n" in "".join(data) else data


def _read(text: str) -> Iterator[Event]:
    name = ""
    data: list[str] = []
    for line in _lines(text):
        if not line:
            if data:
                yield Event("\n".join(data), name)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text)[:-1]
