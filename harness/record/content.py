"""The hash of what a run measured: of its rows, not of the files that hold them; it reads none."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from harness.record.columns import Array, Columns, Text, blocks


def sha256(columns: Columns) -> str:
    """Two runs that measured the same have the same hash, however narrow their columns are kept.

    Column by column: its name, how many rows it has, for text the names that occur, and then the
    values, whole numbers and the places of names as int64, all of it little-endian.
    """
    digest = hashlib.sha256()
    for shape in (columns.turns, columns.spans):
        for field in fields(shape):
            for part in _parts(field.name, getattr(shape, field.name)):
                digest.update(part)
    return digest.hexdigest()


def _parts(name: str, column: Array) -> Iterator[bytes]:
    values = column.codes if isinstance(column, Text) else column
    names = column.names if isinstance(column, Text) else ()
    # Lengths first: then no text can pass for another, whatever stands in it.
    for text in (name, *names):
        encoded = text.encode()
        yield len(encoded).to_bytes(8, "little") + encoded
    yield len(names).to_bytes(8, "little") + values.size.to_bytes(8, "little")
    canonical = {"f": "<f8", "b": "?"}.get(values.dtype.kind, "<i8")
    for block in blocks(values.size):
        yield np.ascontiguousarray(values[block], dtype=canonical).tobytes()
