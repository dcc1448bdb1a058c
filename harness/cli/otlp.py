"""The spans of a stored run sent to a collector, by OTLP over HTTP; a failure is told, and loses
nothing that was measured.

Source: OTLP 1.x, "OTLP/HTTP" (2026-11): which answers are tried again, also where the collector
hangs up without one, Retry-After, and a partial success. Where nobody listens that is told at once:
somebody waits for the command to end. Headers that a collector wants, such as its key, are those of
OTEL_EXPORTER_OTLP_HEADERS, as any exporter of OpenTelemetry's reads them; they are never shown.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import httpx
import msgspec

from harness.flow.routing import shown
from harness.record import Columns, RunSummary
from harness.report.otlp import Span, export, spans_of

PATH = "/v1/traces"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"

AT_ONCE = 500
"""Spans in a request, a few more where a turn has many: some 400 kB."""
PATIENCE_S = 10.0
"""For an answer, and for the rest of it once it has begun."""
LONGEST_ANSWER = 65_536
"""Bytes; what it has beyond that is not read."""
MOST_TRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Between two tries, twice as long each time, unless the collector says how long."""
TRIED_AGAIN = (429, 502, 503, 504)
HUNG_UP = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it. `why` is why not all was taken, "" where it was."""

    spans: int
    taken: int
    why: str = ""


class NotSent(Exception):
    """A request that the collector does not take; the text says why, and shows no secret."""


def export_and_tell(url: str, summary: RunSummary, columns: Columns) -> bool:
    """Whether all was taken. What was not is told in one line."""
    sent = send(url, summary, columns)
    if sent.why:
        print(
            f"tollbench: {sent.taken:,} of {sent.spans:,} spans were taken by {shown(url)}: "
            f"{sent.why}; the run is kept whole, and "
            f"`tollbench report {summary.run_id} --otlp URL` sends it again",
            file=sys.stderr,
        )
    return not sent.why


def send(
    url: str,
    summary: RunSummary,
    columns: Columns,
    *,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    environ: Mapping[str, str] = os.environ,
) -> Sent:
    """Send all of its spans, batch after batch, until one is not taken."""
    to = url.rstrip("/")
    to = to if to.endswith(PATH) else to + PATH
    # As it is, so that a small answer cannot become a large one.
    usual = {"content-type": "application/json", "accept-encoding": "identity"}
    total, taken, why = len(columns.turns) + len(columns.spans), 0, ""
    # No proxy or .netrc of the machine's: the user has said where it goes.
    with httpx.Client(
        transport=transport,
        timeout=PATIENCE_S,
        headers={**_own_headers(environ), **usual},
        trust_env=False,
    ) as client:
        try:
            for batch in _batches(summary, columns):
                rejected, word = _taken(_posted(client, to, export(batch, summary), sleep))
                taken += len(batch) - min(rejected, len(batch))
                why = why or word
        except NotSent as error:
            why = str(error)
    return Sent(total, taken, why)


def _batches(summary: RunSummary, columns: Columns) -> Iterator[list[Span]]:
    batch: list[Span] = []
    for spans in spans_of(summary, columns):
        batch += spans
        if len(batch) >= AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _posted(client: httpx.Client, url: str, body: bytes, sleep: Callable[[float], None]) -> bytes:
    """What it answers, having taken it."""
    wait_s = FIRST_WAIT_S
    for left in reversed(range(MOST_TRIES)):
        asked_s = wait_s
        try:
            with client.stream("POST", url, content=body) as response:
                if response.is_success:
                    return _read(response)
                why = f"it answered {response.status_code}"
                asked_s = _asked_for_s(response, wait_s)
                again = response.status_code in TRIED_AGAIN
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why, again = f"{type(error).__name__}: {shown(str(error))}", isinstance(error, HUNG_UP)
        if not again or not left:
            break
        sleep(asked_s)
        wait_s *= 2
    raise NotSent(_printable(why))


def _read(response: httpx.Response) -> bytes:
    """As much of it as an answer has."""
    until, read = time.monotonic() + PATIENCE_S, b""
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) > LONGEST_ANSWER or time.monotonic() > until:
            break
    return read


def _asked_for_s(response: httpx.Response, usual_s: float) -> float:
    """In seconds alone: a date is what no collector that is known writes there."""
    try:
        asked_s = float(response.headers.get("retry-after", usual_s))
    except ValueError:
        asked_s = usual_s
    return min(max(asked_s, 0.0), LONGEST_WAIT_S) if asked_s == asked_s else usual_s


class _Partial(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0
    error_message: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    partial_success: _Partial | None = None


def _taken(answer: bytes) -> tuple[int, str]:
    """How many it rejected all the same, and why. What is no answer of OTLP's says nothing."""
    try:
        partial = msgspec.json.decode(answer, type=_Answer).partial_success
        rejected = int(partial.rejected_spans) if partial else 0
    except (ValueError, RecursionError):
        return 0, ""
    if partial is None or rejected <= 0:
        return 0, ""
    word = _printable(shown(partial.error_message[:200])) or "unsaid why"
    return rejected, f"it rejected {rejected:,}: {word}"


def _printable(words: str) -> str:
    """In one line, and without what a terminal would do something at."""
    return "".join(of if of.isprintable() else " " for of in words)


def _own_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """`name=value`, joined by commas, values escaped as in a URL, by names in small letters; what
    is no header is left out."""
    pairs = (part.partition("=") for part in environ.get(HEADERS, "").split(","))
    told = {name.strip().lower(): unquote(value.strip()) for name, equals, value in pairs if equals}
    return {
        name: value
        for name, value in told.items()
        if _NAME.fullmatch(name)
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
    }


_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
