"""Samples out of a table of text, whoever wrote it: a column of times, and what stands beside it.

Columns are known by their names, whatever their order and case. A time has its unit in its name, as
in `total_ms` or `duration_s`; so nothing is ever guessed to be milliseconds, but for one column of
bare numbers, and the columns of Apache JMeter's results, whose manual says so.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from harness.calibrate.samples import (
    BAD_TIME,
    NO_TIME,
    BadRecording,
    Sample,
    Told,
    whole,
    written_at,
)

TOTAL = ("total", "latency", "duration", "elapsed", "response_time", "response", "service", "time")
FIRST = ("first_token", "ttft", "first_byte", "ttfb", "time_to_first_token", "time_to_first_byte")
TEXTS = {
    "stage": ("stage", "label", "operation", "endpoint", "name"),
    "provider": ("provider", "host", "system"),
    "model": ("model",),
    "tokens": ("completion_tokens", "output_tokens", "tokens"),
    "status": ("status", "status_code", "http_status", "response_code", "responsecode"),
    "fresh": ("fresh", "cold"),
    "began": ("started_at", "start_time", "start", "start_s", "start_ms", "timestamp"),
}
EMPTY = "is empty: record something first"
UNITS = {"ms": 1e-3, "s": 1.0, "us": 1e-6}
UNIT_WORDS = {"milliseconds": "ms", "msec": "ms", "seconds": "s", "sec": "s", "secs": "s"}

_JMETER = {"elapsed", "latency", "timestamp", "label"}
_TRUE = ("1", "true", "yes", "y")


def read(text: str) -> Told:
    """Raises BadRecording, in words that go on after the file's name."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise BadRecording(EMPTY)
    delimiter = max(",;\t", key=lines[0].count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise BadRecording(f"is no table that can be read ({error}): export it anew") from None
    table = [row for row in table if any(cell.strip() for cell in row)]
    if not table:
        raise BadRecording(EMPTY)
    if _number(table[0][0], delimiter) is not None:
        return _bare(table, delimiter)
    return _named(table, delimiter)


def _bare(table: Sequence[Sequence[str]], delimiter: str) -> Told:
    if len(table[0]) > 1:
        raise BadRecording(
            "has no line with the names of its columns: put one first, as in stage,total_ms"
        )
    told = Told()
    for cell, *_ in table:
        _add(told, {"total": cell}, {"total": 1e-3}, delimiter)
    return told


def _named(table: Sequence[Sequence[str]], delimiter: str) -> Told:
    columns, scales = _columns([_plain(name) for name in table[0]])
    told = Told(first_known="first" in columns)
    for row in table[1:]:
        cells = {what: row[n].strip() for what, n in columns.items() if n < len(row)}
        _add(told, cells, scales, delimiter)
    return told


def _columns(names: Sequence[str]) -> tuple[dict[str, int], dict[str, float]]:
    """Where each column is that we know, and how many seconds one of a time is."""
    columns: dict[str, int] = {}
    scales: dict[str, float] = {}
    if set(names) >= _JMETER:
        columns, scales = (
            {"total": names.index("elapsed"), "first": names.index("latency")},
            {"total": 1e-3, "first": 1e-3},
        )
    else:
        for what, known in (("first", FIRST), ("total", TOTAL)):
            _find_time(names, what, known, columns, scales)
    for what, spelled in TEXTS.items():
        found = [names.index(name) for name in spelled if name in names]
        if found:
            columns[what] = found[0]
    if "total" not in columns:
        unitless = [name for name in names if name in (*TOTAL, *FIRST)]
        if unitless:
            raise BadRecording(
                f"has a column {unitless[0]!r} without a unit: name it {unitless[0]}_ms or "
                f"{unitless[0]}_s"
            )
        raise BadRecording(
            f"has no column of times among {', '.join(map(repr, names))[:200]}: name one total_ms"
        )
    return columns, scales


def _find_time(
    names: Sequence[str],
    what: str,
    known: Iterable[str],
    columns: dict[str, int],
    scales: dict[str, float],
) -> None:
    for wanted in known:
        for n, name in enumerate(names):
            base, _, unit = name.rpartition("_")
            unit = UNIT_WORDS.get(unit, unit)
            if base == wanted and unit in UNITS and what not in columns:
                columns[what], scales[what] = n, UNITS[unit]
    if what == "total" and what not in columns and "ms" in names:
        columns[what], scales[what] = names.index("ms"), UNITS["ms"]


def _add(told: Told, cells: Mapping[str, str], scales: Mapping[str, float], delimiter: str) -> None:
    total = _number(cells.get("total", ""), delimiter)
    if total is None:
        told.skip(BAD_TIME if cells.get("total") else NO_TIME)
        return
    first = _number(cells.get("first", ""), delimiter)
    status = _number(cells.get("status", ""), delimiter)
    tokens = _number(cells.get("tokens", ""), delimiter)
    if cells.get("status") and status is None and not cells["status"].lower().startswith("ok"):
        told.skip("failed")  # As JMeter writes an error in place of a status.
        return
    total_s = round(total * scales["total"], 9)
    told.add(
        Sample(
            stage=cells.get("stage", ""),
            provider=cells.get("provider", ""),
            model=cells.get("model", ""),
            first_token_s=total_s if first is None else round(first * scales["first"], 9),
            total_s=total_s,
            completion_tokens=whole(tokens),
            fresh=cells.get("fresh", "").lower() in _TRUE,
            status=200 if status is None else whole(status) or 0,
        ),
        written_at(cells.get("began", "")),
    )


def _plain(name: str) -> str:
    """A name as it is known here: "Total (ms)" is total_ms, "firstByteMs" first_byte_ms."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    if words.lower().replace("_", "") in ("timestamp", "responsecode"):
        return words.lower().replace("_", "")
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _number(cell: str, delimiter: str) -> float | None:
    """Any number, an infinite one too; a comma may be its point where it parts no columns."""
    try:
        return float(cell if delimiter == "," else cell.replace(",", "."))
    except ValueError:
        return None
