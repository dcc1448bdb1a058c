"""Credentials that nobody could mistake, and the search for them in files of every kind; it asserts
nothing."""

import base64
import gzip
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import msgspec
import pyarrow.parquet

from harness.real.credentials import NAMES, SEVERAL
from tests.cli.command import environment

VARIABLES = sorted(
    {name for of in NAMES.values() for name in (*of.keys, *of.unused)}.union(*SEVERAL.values())
)
BASES = sorted({of.base for of in NAMES.values() if of.base})
"""They are addresses, and no secrets; with mocks they are not read either."""

VALUES: Mapping[str, str] = {
    name: f"zq{sha256(name.encode()).hexdigest()[:20]}+{n:02d}" for n, name in enumerate(VARIABLES)
}

READ = "read.txt"
"""Where the child puts down which of the variables it was asked for."""

_CHILD = """
import contextlib, json, os, sys
watched, told, read = set(json.loads(sys.argv[1])), json.loads(sys.argv[2]), []
inner = type(os.environ).__getitem__
def noting(self, name):
    if name in watched:
        read.append(name)
    return inner(self, name)
type(os.environ).__getitem__ = noting
from harness.cli import main
codes = []
for command in told:
    sys.argv = ["tollbench", *command.split()]
    try:
        main()
        codes.append(0)
    except SystemExit as ended:
        codes.append(ended.code or 0)
print(json.dumps(["codes", codes]), file=sys.stderr)
with open(sys.argv_read, "w") as out:
    out.write("\\n".join(read))
"""


@dataclass(frozen=True)
class Done:
    """What verbs have left behind: exit codes, and the variables whose values they looked at."""

    codes: list[int]
    read: set[str]
    said: bytes


def with_secrets(**more: str) -> dict[str, str]:
    """An environment in which everybody's credentials are set."""
    bases = {name: f"http://127.0.0.1:9/{name.lower()}" for name in BASES}
    return environment(**VALUES, **bases, **more)


def run_verbs(commands: Sequence[str], cwd: Path) -> Done:
    """All in one process, where every credential is set. Its output is kept beside the folder, not
    in it."""
    read = cwd.parent / f"{cwd.name}-{READ}"
    child = _CHILD.replace("sys.argv_read", repr(str(read)))
    told = [msgspec.json.encode(of).decode() for of in ([*VARIABLES, *BASES], commands)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", child, *told],
        cwd=cwd,
        env=with_secrets(),
        capture_output=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    *_, last = [line for line in said.splitlines() if line.startswith(b'["codes"')] or [b"[0,[]]"]
    return Done(msgspec.json.decode(last)[1], {*read.read_text().split()}, said)


def leaked(folder: Path, *said: bytes) -> list[tuple[str, str]]:
    """Every file, by its name, with the variable whose value it holds in whatever form; and what
    was said."""
    forms = {name: _forms(value) for name, value in VALUES.items()}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found += [(path.name, name) for name in _in(b"\n".join(_read(path)), forms)]
    return found + [("said", name) for one in said for name in _in(one, forms)]


def _in(text: bytes, forms: Mapping[str, Sequence[bytes]]) -> list[str]:
    return [name for name, of in forms.items() if any(form in text for form in of)]


def _forms(value: str) -> list[bytes]:
    """As it is, its beginning, in a URL, and in base64 wherever it stands in what is encoded."""
    raw = value.encode()
    coded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    plain = [part for part in coded for part in (part, part.translate(_URL_SAFE))]
    return [raw, raw[:12], quote(value, safe="").encode(), *plain]


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _read(path: Path) -> Iterator[bytes]:
    """What stands in it, and what it was before it was packed."""
    raw = path.read_bytes()
    yield raw
    if raw[:4] == b"PAR1":
        table = pyarrow.parquet.read_table(path)
        yield repr(table.to_pydict()).encode()
        yield repr(table.schema.metadata).encode()
    elif raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif raw[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _chunks(raw)
    elif raw[:16] == b"SQLite format 3\0":
        yield from _rows(path)


def _chunks(png: bytes) -> Iterator[bytes]:
    """The texts of a picture, unpacked: zTXt and iTXt, as they may be."""
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        if kind in (b"zTXt", b"iTXt"):
            for begin in range(min(len(body), 120)):
                try:
                    yield zlib.decompress(body[begin:])
                except zlib.error:
                    continue
        at += 12 + size


def _rows(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(path)) as sql:
        for (name,) in list(sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")):
            for row in sql.execute(f"SELECT * FROM {name}"):
                yield b" ".join(
                    cell if isinstance(cell, bytes) else str(cell).encode() for cell in row
                )
