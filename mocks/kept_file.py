"""The file of a serving whose books outlive it: all that it was asked, in SQLite; it decides
nothing, and makes nothing of what it holds.

A call is in it before its answer leaves, so whatever ends the process, the file knows at least what
any client knows. It also holds the mocks' own keys, which open nothing but mocks; still it is for
its owner's eyes alone, as a file of keys should be. A call takes about two kilobytes, and some 40
us to put down. After a loss of power the newest calls may not be in it: then it is as it was a
moment before.

For whoever reads it with other tools there are `movements`, a line each, and `orders`, their sums
by order. Whoever writes to it holds its serving up.
"""

import contextlib
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from harness.books import Movement

FORM = "1"
"""Of the tables below; another one is not read."""

COMMAND = "command"
"""How it was served when the file was made; it may be served by other words."""

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE calls (
    number INTEGER PRIMARY KEY, at_s REAL NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL,
    headers BLOB NOT NULL, body BLOB NOT NULL, answered INTEGER
);
CREATE TABLE movements (
    call INTEGER NOT NULL, time TEXT NOT NULL, world TEXT NOT NULL, provider TEXT NOT NULL,
    order_no TEXT NOT NULL, nth INTEGER NOT NULL, moved TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    UNIQUE (world, provider, order_no, nth)
);
CREATE VIEW orders AS
SELECT world, provider, order_no, currency, min(time) AS began,
    sum(CASE moved WHEN 'captured' THEN amount_minor ELSE 0 END) AS captured_minor,
    sum(CASE moved WHEN 'refunded' THEN amount_minor ELSE 0 END) AS refunded_minor,
    sum(CASE moved WHEN 'voided' THEN amount_minor ELSE 0 END) AS voided_minor,
    sum(CASE moved WHEN 'fee' THEN amount_minor WHEN 'fee back' THEN -amount_minor ELSE 0 END)
        AS fee_minor,
    sum(CASE WHEN moved IN ('captured', 'fee back') THEN amount_minor ELSE -amount_minor END)
        AS owed_minor
FROM movements GROUP BY world, provider, order_no, currency;
CREATE TABLE notices (
    call INTEGER NOT NULL, nth INTEGER NOT NULL, try INTEGER NOT NULL, status INTEGER NOT NULL,
    receipt BLOB NOT NULL, PRIMARY KEY (call, nth, try)
);
CREATE TABLE over (call INTEGER NOT NULL, nth INTEGER NOT NULL, PRIMARY KEY (call, nth));
CREATE TABLE keys (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_CALL = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)"
_MOVEMENT = "INSERT OR IGNORE INTO movements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NOTICE = "INSERT OR REPLACE INTO notices VALUES (?, ?, ?, ?, ?)"

PATIENCE_MS = 50
"""How long a write waits for another program's: everybody waits with it."""


class CannotKeep(Exception):
    """The file is of no use; the words say why, and what to do."""


class KeptCall(msgspec.Struct, frozen=True):
    """One call as it came; `at_s` is the time of the mocks' clock. `answered` is a check sum of its
    answer, None where nothing can be said of it."""

    number: int
    at_s: float
    method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    answered: int | None


class Moved(msgspec.Struct, frozen=True):
    """A movement, whose it is, which of its order's from 0, and when by the time of day (ISO
    8601)."""

    world: str
    provider: str
    nth: int
    time: str
    of: Movement


class Try(msgspec.Struct, frozen=True):
    """What came of one try to tell of something: the status of the receipt, 0 for none."""

    status: int
    receipt: bytes


class Now(msgspec.Struct, frozen=True):
    """A time of the mocks' clock, and how far that is ahead of the real one."""

    at_s: float
    ahead_s: float


class KeptFile:
    """Open, and nobody else's, until it is closed. What cannot be added raises sqlite3.Error, which
    `is_held` tells from one that no other try would mend; all else raises CannotKeep."""

    def __init__(self, path: str, about: Mapping[str, str], now: Now) -> None:
        """`about` is whose books they are, such as their seed: a file that says otherwise raises
        CannotKeep, as does one that is none of these, which is left as it was. A new one begins
        now."""
        self.path = path
        self._encode = msgspec.msgpack.Encoder().encode
        self._alone = _alone(path)
        # Whole, or a name such as :memory: would be one of SQLite's own.
        self._sql = sqlite3.connect(os.path.abspath(path), isolation_level=None)
        try:
            self.began = self._begin(path, about, now)
            self.wait_for_others(PATIENCE_MS)
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            raise _unwritable(path, error) from None
        except sqlite3.Error as error:
            self.close()
            raise CannotKeep(f"{path} is no file of mocks serve ({error}); name another") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._sql.close()
        # Only then: closing any descriptor of a file frees it from SQLite's own locks too.
        if self._alone is not None:
            os.close(self._alone)
            self._alone = None

    # What is kept

    def add(self, call: KeptCall, moved: Sequence[Moved]) -> None:
        """With all that it moved, or nothing of it."""
        row = (
            call.number, call.at_s, call.method, call.target, self._encode(call.headers),
            call.body, call.answered,
        )  # fmt: skip
        if not moved:
            self._sql.execute(_CALL, row)
            return
        with self._whole():
            self._sql.execute(_CALL, row)
            self._sql.executemany(_MOVEMENT, [_line(call.number, of) for of in moved])

    def add_moved(self, call: int, moved: Moved) -> None:
        """A movement that no call made, but time: `call` is the one that began it, 0 where nobody
        knows. One that is in already is left as it is."""
        self._sql.execute(_MOVEMENT, _line(call, moved))

    def add_over(self, call: int, nth: int) -> None:
        """That notice of that call is not to be sent again, and has moved nothing."""
        self._sql.execute("INSERT OR IGNORE INTO over VALUES (?, ?)", (call, nth))

    def add_try(self, call: int, nth: int, number: int, made: Try) -> None:
        self._sql.execute(_NOTICE, (call, nth, number, made.status, made.receipt))

    def add_key(self, name: str, value: str) -> None:
        self._write("INSERT INTO keys VALUES (?, ?)", (name, value))

    def wait_for_others(self, most_ms: int) -> None:
        """How long a write waits from now on, where another program writes."""
        self._sql.execute(f"PRAGMA busy_timeout = {most_ms}")

    def set_ahead(self, ahead_s: float) -> None:
        """From now on the mocks' clock is so far ahead of the real one."""
        self._write("UPDATE about SET value = ? WHERE name = 'ahead_s'", (repr(ahead_s),))

    # What was kept

    def calls(self) -> Iterator[KeptCall]:
        """In the order of their deciding."""
        headers = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])
        for row in self._rows("SELECT * FROM calls ORDER BY number"):
            number, at_s, method, target, raw, body, answered = row
            yield KeptCall(number, at_s, method, target, headers.decode(raw), body, answered)

    def last(self) -> int:
        """The number of the newest call, 0 where there is none."""
        ((last,),) = self._rows("SELECT coalesce(max(number), 0) FROM calls")
        return int(last)

    def over(self) -> set[tuple[int, int]]:
        """By call, and number of the notice of that call."""
        return {(call, nth) for call, nth in self._rows("SELECT * FROM over")}

    def tries(self) -> dict[tuple[int, int, int], Try]:
        """Of notices that are not over: by call, number of the notice of that call, and number of
        the try."""
        rows = self._rows(
            "SELECT * FROM notices AS of WHERE NOT EXISTS"
            " (SELECT 1 FROM over WHERE over.call = of.call AND over.nth = of.nth)"
        )
        return {(call, nth, of): Try(status, receipt) for call, nth, of, status, receipt in rows}

    def keys(self) -> dict[str, str]:
        return dict(self._rows("SELECT * FROM keys"))

    def _rows(self, asked: str) -> Iterator[Any]:  # SQLite's rows have no types.
        try:
            yield from self._sql.execute(asked)
        except sqlite3.Error as error:
            raise CannotKeep(f"{self.path} is damaged ({error}); name another file") from None

    def _write(self, told: str, values: Sequence[str]) -> None:
        try:
            self._sql.execute(told, values)
        except sqlite3.Error as error:
            raise _unwritable(self.path, error) from None

    # How it is opened

    def _begin(self, path: str, about: Mapping[str, str], now: Now) -> Now:
        tables = {name for (name,) in self._sql.execute("SELECT name FROM sqlite_master")}
        if tables and not {"about", "calls", "keys"} <= tables:
            raise CannotKeep(f"{path} is somebody else's database; name another file")
        # From here on it is ours, and may be changed.
        if self._alone is not None:
            os.fchmod(self._alone, 0o600)
        self._sql.execute("PRAGMA journal_mode=WAL")
        self._sql.execute("PRAGMA synchronous=NORMAL")
        if not tables:
            began = {"began_s": repr(now.at_s), "ahead_s": repr(now.ahead_s)}
            self._create({**about, **began, "form": FORM})
        told = dict(self._sql.execute("SELECT * FROM about"))
        for name, value in {"form": FORM, **about}.items():
            if told.get(name) != value and name != COMMAND:
                then = f" ({told[COMMAND]})" if COMMAND in told else ""
                raise CannotKeep(
                    f"{path} holds the books of another serving, of {name} {told.get(name)} and "
                    f"not {value}: serve as then{then}, or name another file"
                )
        return Now(float(told["began_s"]), float(told["ahead_s"]))

    def _create(self, about: Mapping[str, str]) -> None:
        with self._whole():
            for statement in _TABLES.split(";"):
                self._sql.execute(statement)
            self._sql.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._sql.execute("COMMIT")
        except BaseException:
            if self._sql.in_transaction:  # A full disk has ended it already.
                self._sql.execute("ROLLBACK")
            raise


def is_held(error: sqlite3.Error) -> bool:
    """Whether it is that another program writes to the file just now."""
    # What Python's own module raises has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _alone(path: str) -> int | None:
    """A descriptor of the file that says that it is taken; the file is there from then on. Raises
    CannotKeep where somebody else has it, or nobody can."""
    try:
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not stat.S_ISREG(os.fstat(made).st_mode):
            os.close(made)
            raise CannotKeep(f"{path} is no file but a device or a pipe; name another")
        if sys.platform == "win32":
            os.close(made)
            return None
        import fcntl

        try:
            fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(made)
            raise CannotKeep(f"{path} is another serving's just now; name another file") from None
        return made
    except OSError as error:
        raise _unwritable(path, error.strerror) from None


def _unwritable(path: str, why: object) -> CannotKeep:
    return CannotKeep(f"{path} cannot be written ({why}); mend that, or name another file")


def _line(call: int, moved: Moved) -> tuple[int | str, ...]:
    of = moved.of
    return (
        call, moved.time, moved.world, moved.provider, of.order_no, moved.nth, of.moved,
        of.amount_minor, of.currency,
    )  # fmt: skip
