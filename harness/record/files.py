"""A run's files under results/: written whole, read only when whole; it never judges a number.

Turns become flows.parquet, calls and local steps become spans.parquet, and the summary becomes
run.json, last: a run.json stands for complete rows beside it. This file alone knows pyarrow.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harness.record.columns import (
    Array,
    BoolArray,
    Columns,
    FloatArray,
    IntArray,
    Spans,
    Text,
    Turns,
    blocks,
    made,
    narrow,
    sorted_text,
)
from harness.record.run import SCHEMA, RunSummary
from harness.record.spool import columns_of_spools

FLOWS, SPANS, RUN = "flows.parquet", "spans.parquet", "run.json"


class BadRun(Exception):
    """A folder that holds no run that can be read; the message says why, and what mends it."""


def new_folder(out: Path, run_id: str) -> Path:
    """A fresh folder out/run_id, or run_id-2 and so on when a run of that second exists."""
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = out / (run_id if number == 1 else f"{run_id}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def gather(spools: Iterable[Path], folder: Path) -> Columns:
    """Write what was spooled, in whatever order, as the two files of rows, and return it as `read`
    would. Until `finish`, the folder holds no run that can be read."""
    columns = columns_of_spools(spools)
    _write_rows(folder, columns)
    return columns


def finish(folder: Path, summary: RunSummary) -> RunSummary:
    """Make a whole run of a folder that has its rows. Returns the summary as written, the hashes of
    the others in it."""
    hashes = {name: _sha256(folder / name) for name in (FLOWS, SPANS)}
    summary = msgspec.structs.replace(summary, files=hashes)
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    fresh = folder / f".{RUN}"
    fresh.write_bytes(text + b"\n")
    fresh.replace(folder / RUN)
    return summary


def write(folder: Path, summary: RunSummary, columns: Columns) -> RunSummary:
    """The three files of a run whose rows are in memory; else as `finish`."""
    _write_rows(folder, columns)
    return finish(folder, summary)


def point_latest(folder: Path) -> None:
    """Make out/latest name this run. Where links are not allowed it is a file with the name."""
    latest, fresh = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    fresh.unlink(missing_ok=True)  # of a run that was killed right here, under the same pid
    try:
        fresh.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        fresh.write_text(folder.name + "\n")
    fresh.replace(latest)


def newest(out: Path) -> Path:
    """The folder that out/latest names. Raises BadRun when there is none."""
    latest = out / "latest"
    if latest.is_file():
        return out / latest.read_text().strip()
    if not latest.exists():
        raise BadRun(f"{out} holds no run yet: tollbench compare makes one")
    return out / os.readlink(latest) if latest.is_symlink() else latest


class Stored(NamedTuple):
    """A run as it was read. Of an older schema, only settings and rows can be relied on: the
    figures have to be taken anew."""

    summary: RunSummary
    columns: Columns
    schema: int


def read(folder: Path) -> Stored:
    """A stored run, of this schema or an older one.

    Raises BadRun when the folder holds no whole run, or rows other than those summarised.
    """
    summary, schema = _summary(folder)
    columns = Columns(
        made(Turns, _read_columns(folder, FLOWS, summary.files, Turns)),
        made(Spans, _read_columns(folder, SPANS, summary.files, Spans)),
    )
    return Stored(summary, columns, schema)


def _summary(folder: Path) -> tuple[RunSummary, int]:
    if not folder.is_dir():
        raise BadRun(f"{folder} is no folder of a run")
    try:
        text = (folder / RUN).read_bytes()
    except OSError:
        raise BadRun(
            f"{folder} has no {RUN}: its run was cut off before it was whole, or is none; run again"
        ) from None
    try:
        schema = msgspec.json.decode(text, type=_Head).schema
        if schema > SCHEMA:
            raise BadRun(f"{folder / RUN} has schema {schema}: a newer tollbench reads it")
        if schema < SCHEMA:
            told = msgspec.json.decode(text, type=dict[str, object])
            text = msgspec.json.encode({**told, "schema": SCHEMA})
        return msgspec.json.decode(text, type=RunSummary), schema
    except msgspec.DecodeError as error:
        raise BadRun(f"{folder / RUN} cannot be read ({error}): restore it, or run again") from None


class _Head(msgspec.Struct):
    """What tells whether the rest of a run.json can be read."""

    schema: int


def _read_columns(
    folder: Path, name: str, hashes: Mapping[str, str], shape: type[Turns] | type[Spans]
) -> dict[str, Array]:
    path = folder / name
    if not path.is_file():
        raise BadRun(f"{folder} has no {name}: the figures of a run cannot do without its rows")
    if name in hashes and _sha256(path) != hashes[name]:
        raise BadRun(f"{path} is not the file that {RUN} was made from: restore it, or run again")
    try:
        return _arrays(path, shape)
    except (OSError, pa.ArrowException) as error:
        why = str(error).splitlines()[0]
        raise BadRun(f"{path} cannot be read ({why}): restore it, or run again") from None


def _arrays(path: Path, shape: type[Turns] | type[Spans]) -> dict[str, Array]:
    kinds = {field.name: field.type for field in fields(shape)}
    # Text stays as it is stored, numbers into names; a column at a time, or the peak doubles.
    texts = [name for name, kind in kinds.items() if kind is Text]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        missing = [name for name in kinds if name not in file.schema_arrow.names]
        if missing:
            raise BadRun(f"{path} has no column {', '.join(missing)}: it is too old; run again")
        found = {}
        for name in kinds:
            found[name] = _array(file.read(columns=[name]).column(0))
            # What the reader took is given back at once, or all columns would add up to the peak.
            pa.default_memory_pool().release_unused()
        return found


def _array(column: pa.ChunkedArray) -> Array:
    if pa.types.is_dictionary(column.type):
        whole = column.unify_dictionaries().combine_chunks()
        codes = whole.indices.to_numpy(zero_copy_only=False)
        return sorted_text(whole.dictionary.to_pylist(), codes)
    values = cast(FloatArray | IntArray | BoolArray, column.to_numpy())
    return narrow(cast(IntArray, values)) if values.dtype.kind == "i" else values


_ARROW: Mapping[object, pa.DataType] = {
    Text: pa.string(),
    FloatArray: pa.float64(),
    IntArray: pa.int64(),
    BoolArray: pa.bool_(),
}


def _write_rows(folder: Path, columns: Columns) -> None:
    for name, shape in ((FLOWS, columns.turns), (SPANS, columns.spans)):
        schema = pa.schema([(field.name, _ARROW[field.type]) for field in fields(shape)])
        with pq.ParquetWriter(folder / name, schema) as file:
            for block in blocks(len(shape)):
                arrays = [_arrow(getattr(shape, of.name), block, of.type) for of in schema]
                file.write_table(pa.table(arrays, schema=schema))
    pa.default_memory_pool().release_unused()


def _arrow(column: Array, block: slice, kind: pa.DataType) -> pa.Array:
    if isinstance(column, Text):
        names = pa.array(column.names, type=kind)
        return pa.DictionaryArray.from_arrays(column.codes[block], names).cast(kind)
    return pa.array(column[block]).cast(kind)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
