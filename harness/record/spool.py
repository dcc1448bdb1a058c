"""Turns on their way out of memory: appended to a file as they end, and read back afterwards. A
spool is never read while it is written, and it keeps no order but that in which turns ended.

A turn is a record: four bytes with the length of the rest, little-endian, and then the turn and its
spans as MessagePack. So what a killed process left behind can be read up to its last whole turn.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from harness.record.columns import Columns, columns_of
from harness.record.ordered import ordered
from harness.record.rows import FlowRow, Rows, SpanRow

_PREFIX = 4
_WRITTEN_AT_ONCE = 1 << 16
"""Bytes: about a hundred turns, which the system takes in some twenty microseconds."""
_READ_AT_ONCE = 1 << 20
_CHUNK_TURNS = 5_000
"""As many are objects at a time while columns are made of them: a dozen megabytes."""
_decode = msgspec.msgpack.Decoder(tuple[FlowRow, list[SpanRow]]).decode


class Spool(AbstractContextManager["Spool"]):
    """A file that turns are appended to as they end; it must be new, or it is a FileExistsError.

    What was added is in the file once the spool is flushed or closed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb", buffering=_WRITTEN_AT_ONCE)
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, flow: FlowRow, spans: Sequence[SpanRow]) -> None:
        """A turn that ended, and its spans."""
        record = self._encode((flow, spans))
        self._file.write(len(record).to_bytes(_PREFIX, "little"))
        self._file.write(record)

    def add_records(self, records: bytes) -> None:
        """Turns as they stand in another spool, all whole."""
        self._file.write(records)

    def flush(self) -> None:
        """Twenty microseconds, and no more can be lost than what comes after."""
        self._file.flush()

    def close(self) -> None:
        """A second time does nothing."""
        self._file.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def spooled(path: Path, turns: int = 20_000) -> Iterator[Rows]:
    """What was spooled, so many turns at a time, in the order in which it was added.

    A last record that is not whole, because its writer was killed, is left out.
    """
    with path.open("rb", buffering=_READ_AT_ONCE) as file:
        records = _turns(file)
        while True:
            rows = Rows()
            for flow, spans in islice(records, turns):
                rows.add(flow, spans)
            if not rows.flows:
                return
            yield rows


def turns_in(records: bytes) -> Iterator[tuple[FlowRow, list[SpanRow]]]:
    """The turns of a piece of a spool, each with its spans."""
    return _turns(BytesIO(records))


def columns_of_spools(spools: Iterable[Path]) -> Columns:
    """All that was spooled as columns, in the one order of the files."""
    return ordered(
        columns_of(rows) for spool in spools for rows in spooled(spool, turns=_CHUNK_TURNS)
    )


def _turns(file: BinaryIO) -> Iterator[tuple[FlowRow, list[SpanRow]]]:
    return map(_decode, _records(file))


def _records(file: BinaryIO) -> Iterator[bytes]:
    while len(prefix := file.read(_PREFIX)) == _PREFIX:
        length = int.from_bytes(prefix, "little")
        record = file.read(length)
        if len(record) < length:
            return
        yield record
