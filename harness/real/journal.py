"""Every order that a run may have made, on disk before it is sent; append-only, without secrets.

A file is of one run: lines of JSON, each whole or of no account. An order is "intended" before it
is sent, "created" when an answer says so, "closed" when nothing of it is open any more. What comes
last counts, so an order whose story breaks off is open, and whoever has the same credentials can
find it: by its number, and by whatever else its provider wants besides.
"""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec

from harness.real.credentials import Found, Mode

State = Literal["intended", "created", "closed"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order. `at` is in Unix seconds, when it was first intended."""

    provider: str
    mode: Mode
    order_no: str
    id: str = ""
    """The provider's own name for it, as far as an answer told one."""
    amount_minor: int
    currency: str
    at: float
    run_id: str
    key: str = ""
    """The idempotency key that it was sent under."""
    txn_time: str = ""
    """What UnionPay wants beside the number."""
    ends_at: str = ""
    """When it ends by itself, as its wire writes it; "" where it does not."""
    by: str = ""
    """Which credentials made it, as `made_by` calls them; "" where nobody noted it."""
    state: State = "intended"
    how: str = ""
    """How it was closed."""

    @property
    def name(self) -> tuple[str, str]:
        return self.provider, self.order_no


class Journal:
    """Written by one process at a time; anybody may read meanwhile."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """A file that is there is gone on with."""
        self.path = path
        self.now = now
        self.entries: dict[tuple[str, str], Entry] = {}
        """By provider and order number, each as it stands."""
        self._numbers: dict[tuple[str, str], str] = {}
        self._fd = _opened(path)
        self._read()
        _locked(self._fd, alone=False)  # Until this process is no more, however it ends.
        _sync_folder(path.parent)
        self._torn = not _ends_in_a_line(self._fd)
        """Whether a crash or a full disk tore the last line: the next begins on one of its own."""

    def number_of(self, provider: str, id_: str) -> str:
        """Of the order that the provider calls so, "" where none is known."""
        return self._numbers.get((provider, id_), "")

    @property
    def open(self) -> list[Entry]:
        """What may still have to be closed."""
        return [entry for entry in self.entries.values() if entry.state != "closed"]

    def take_alone(self) -> bool:
        """Whether nobody else has it open, and nobody else will as long as this one does."""
        if not _locked(self._fd, alone=True):
            return False
        self._read()
        return True

    async def intend(self, entry: Entry) -> None:
        """Return when it is on the disk: only then may it be sent. The loop runs on meanwhile. One
        that is known already is open again, whatever was said of it."""
        known = self.entries.get(entry.name)
        if known is not None:
            entry = msgspec.structs.replace(entry, id=known.id, at=known.at)
        if not os.fstat(self._fd).st_nlink:
            raise OSError("somebody has deleted it")
        self._note(entry)
        await asyncio.to_thread(os.fsync, self._fd)

    def created(self, provider: str, order_no: str, id_: str = "") -> None:
        entry = self.entries.get((provider, order_no))
        if entry is not None and (entry.state != "created" or (id_ and entry.id != id_)):
            told = msgspec.structs.replace(entry, state="created", id=id_ or entry.id, how="")
            self._note(told)

    def closed(self, provider: str, order_no: str, how: str) -> None:
        entry = self.entries.get((provider, order_no))
        if entry is not None and entry.state != "closed":
            self._note(msgspec.structs.replace(entry, state="closed", how=how))

    def close(self) -> None:
        """All of it is on the disk then."""
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        for entry in _entries(os.pread(self._fd, os.fstat(self._fd).st_size, 0)):
            self._keep(entry)

    def _note(self, entry: Entry) -> None:
        # In one call, so that lines of two never mix, and whole: a disk may be full.
        line = msgspec.json.encode(entry) + b"\n"
        line = b"\n" + line if self._torn else line
        written = os.write(self._fd, line)
        self._torn = written != len(line)
        if self._torn:
            raise OSError("is the disk full?")
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        self.entries[entry.name] = entry
        if entry.id:
            self._numbers[entry.provider, entry.id] = entry.order_no


def made_by(found: Found) -> str:
    """Tells the credentials of one account from those of another, and nothing else of them. Keys of
    one account at Stripe begin alike."""
    at = found.endpoint
    whose = at.account or at.key[8:24]
    return blake2b(f"{found.provider} {whose}".encode(), digest_size=8).hexdigest()


def read_journal(path: Path) -> list[Entry]:
    """Every order as it stands, in the order in which they were first intended. Lines that cannot
    be read, and a last one that is torn, are passed over; no file is a FileNotFoundError."""
    return _entries(path.read_bytes())


def _entries(written: bytes) -> list[Entry]:
    entries: dict[tuple[str, str], Entry] = {}
    for line in written.split(b"\n"):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (ValueError, RecursionError):
            continue
        entries[entry.name] = entry
    return list(entries.values())


def _locked(fd: int, *, alone: bool) -> bool:
    """Whether it could be had at once, beside other readers or alone."""
    import fcntl  # Only Unix has it, and elsewhere no run on real targets begins.

    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> int:
    """Nothing is followed to where somebody else's file is."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is no file that a journal could be kept in")
    return fd


def _ends_in_a_line(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return not size or os.pread(fd, 1, size - 1) == b"\n"


def _sync_folder(folder: Path) -> None:
    """So that the file's name is on the disk too."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
