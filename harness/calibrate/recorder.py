"""The file that exchanges are recorded in: each is a line of it as soon as it is over.

It never stops a call because it cannot write, and never writes into a file that is no recording.
"""

import datetime
from collections import Counter, deque
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from harness.calibrate.exchange import (
    STAGE_HEADER,
    Exchange,
    Head,
    decode_head,
    encode_line,
    is_head,
)
from harness.calibrate.samples import BadRecording
from harness.clock import Clock, RealClock

KEPT_LAST = 10_000
"""Added times that are kept for the summary at the end, the newest."""


class Recorder:
    """A recording that is being made. It is open from the start; `close` it, or use it as a
    context."""

    def __init__(
        self,
        path: Path | str,
        *,
        bodies: bool = False,
        stage_header: str = STAGE_HEADER,
        upstreams: Mapping[str, str] = {},
        clock: Clock | None = None,
    ) -> None:
        """`bodies` are kept too, masked, where that is asked for. A header named `stage_header`
        says what a call is for. Raises BadRecording for a file that is there and is no recording,
        OSError for one that cannot be written."""
        self.bodies = bodies
        self.stage_header = stage_header.lower()
        self.clock = clock or RealClock()
        self.counts: Counter[str] = Counter()
        """Exchanges by provider."""
        self.failed = self.unfinished = 0
        self.added_ms: deque[float] = deque(maxlen=KEPT_LAST)
        """By how much we made first bytes late."""
        self.lost = ""
        """Why lines are missing, where one could not be written."""
        self._torn = False
        """Whether the last line is in the file in part."""
        self._file: BinaryIO | None = _opened(Path(path))
        before = self._file.seek(0, 2)
        head = Head(
            tool_version=version("tollbench"),
            began_at=written_time(self.clock.unix_s()),
            upstreams=dict(upstreams),
        )
        try:
            self._put(self._file, head)
        except OSError:
            self._file.truncate(before)
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """What is over later is counted, but written no more."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def take(self, exchange: Exchange) -> None:
        self.counts[exchange.provider] += 1
        self.failed += bool(exchange.fault)
        self.unfinished += not exchange.whole
        if exchange.proxy_ms is not None:
            self.added_ms.append(exchange.proxy_ms)
        self._write(exchange)

    def _write(self, told: Exchange) -> None:
        if self._file is None:
            return
        try:
            self._put(self._file, told)
        except OSError as error:
            self.lost = self.lost or (error.strerror or str(error))

    def _put(self, file: BinaryIO, told: Head | Exchange) -> None:
        line = b"\n" * self._torn + encode_line(told)
        while line:
            line = line[file.write(line) :]
            self._torn = bool(line)


def written_time(unix: float) -> str:
    at = datetime.datetime.fromtimestamp(unix, datetime.UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _opened(path: Path) -> BinaryIO:
    """Unbuffered: each line goes to the system at once, so that no crash of ours loses it."""
    file = path.open("a+b", buffering=0)
    try:
        _check(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _check(file: BinaryIO, path: Path) -> None:
    file.seek(0)
    first = file.readline(65_536)
    if not first:
        return
    if not is_head(first):
        raise BadRecording(f"{path} is there and is no recording: name another file")
    try:
        decode_head(first)
    except BadRecording as error:
        raise BadRecording(f"{path} {error}") from None
    file.seek(-1, 2)
    if file.read(1) != b"\n":
        file.write(b"\n")  # Whoever wrote it last was cut off.
