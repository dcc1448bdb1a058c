"""Samples out of a recording of any kind, known by what it says and not by its name.

It reads and judges nothing: times are returned as they were seen, the error of whoever measured
them included.
"""

import hashlib
from pathlib import Path

import msgspec

from harness.calibrate import csv, har, otlp, rows
from harness.calibrate.exchange import Exchange, decode_exchange, decode_head, is_head
from harness.calibrate.samples import (
    UNFINISHED,
    BadRecording,
    Kind,
    Sample,
    Samples,
    Told,
    written_at,
)
from harness.providers.call import UNREADABLE

__all__ = ["BadRecording", "Sample", "Samples", "read_samples"]

HELD = "held up by its client"
DAMAGED = "a line that was cut off"
MOST_HELD = 0.01
"""Part of a call's time that may be its client's slowness."""


def read_samples(path: Path) -> Samples:
    """All that a file, or the folder of a run, tells of calls. Raises BadRecording, also where none
    of them ended whole."""
    if path.is_dir():
        told, sha256 = rows.read(path)
        return _samples(path, told, "run", sha256)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadRecording(f"{path} cannot be read ({error.strerror}): name another") from None
    try:
        kind, told = _read(content)
    except BadRecording as error:
        raise BadRecording(f"{path} {error}") from None
    return _samples(path, told, kind, hashlib.sha256(content).hexdigest())


def _samples(path: Path, told: Told, kind: Kind, sha256: str) -> Samples:
    if not told.samples:
        why = ", ".join(f"{n} {what}" for what, n in told.skipped.most_common())
        raise BadRecording(
            f"{path} has no call that ended whole{f' ({why})' if why else ''}: record some more"
        )
    return Samples(
        samples=told.in_order(),
        kind=kind,
        skipped=dict(told.skipped.most_common()),
        sha256=sha256,
        first_known=told.first_known,
    )


def _read(content: bytes) -> tuple[Kind, Told]:
    """What a reader raises goes on after the file's name."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    if is_head(content):
        return "recording", _recorded(content)
    if content.lstrip()[:1] not in (b"{", b"["):
        return "csv", csv.read(_text(content))
    values = _json_values(content)
    if any(har.is_har(value) for value in values):
        return "har", har.read(values)
    if any(otlp.is_otlp(value) for value in values):
        return "otlp", otlp.read(values)
    raise BadRecording(
        "is JSON, but no recording, HAR or OTLP: see tollbench record --help for what makes one"
    )


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadRecording("is neither text in UTF-8 nor JSON: export it as CSV in UTF-8") from None


def _json_values(content: bytes) -> list[msgspec.Raw]:
    """One value, or one a line; the last line may have been cut off."""
    try:
        return [msgspec.json.decode(content, type=msgspec.Raw)]
    except UNREADABLE:
        values = []
        for line in filter(None, map(bytes.strip, content.splitlines())):
            try:
                values.append(msgspec.json.decode(line, type=msgspec.Raw))
            except UNREADABLE:
                continue
        return values


# Our own recordings


def _recorded(content: bytes) -> Told:
    told = Told()
    for line in content.splitlines():
        if is_head(line):
            decode_head(line)
        elif line:
            exchange = decode_exchange(line)
            if exchange is None:
                told.skip(DAMAGED)
            else:
                _take(told, exchange)
    return told


def _take(told: Told, exchange: Exchange) -> None:
    if exchange.fault:
        told.skip(f"failed: {exchange.fault}")
        return
    if not exchange.whole:
        told.skip(UNFINISHED)
        return
    if (exchange.held_s or 0.0) > MOST_HELD * exchange.total_s:
        told.skip(HELD)
        return
    first_s = exchange.first_token_s
    first_s = exchange.first_byte_s if first_s is None else first_s
    told.first_known = told.first_known or first_s is not None
    told.add(
        Sample(
            stage=exchange.stage,
            provider=exchange.provider,
            model=exchange.model,
            first_token_s=exchange.total_s if first_s is None else first_s,
            total_s=exchange.total_s,
            completion_tokens=exchange.completion_tokens,
            fresh=bool(exchange.fresh),
            status=exchange.status,
        ),
        written_at(exchange.started_at),
    )
