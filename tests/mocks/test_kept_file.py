"""The file of books: whose it is, who may have it, and what it leaves alone."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from harness.books import Movement
from mocks.kept_file import COMMAND, CannotKeep, KeptCall, KeptFile, Moved, Now, is_held
from tests.mocks.keeping import ABOUT, START


def test_a_file_is_its_owners_and_one_servings(tmp_path: Path) -> None:
    path = tmp_path / "books"
    path.touch(0o644)
    with closing(KeptFile(str(path), ABOUT, Now(5.0, 1.0))) as file:
        assert file.began == Now(5.0, 1.0)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(CannotKeep, match="another serving's just now"):
            KeptFile(str(path), ABOUT, Now(6.0, 1.0))
    with closing(KeptFile(str(path), ABOUT, Now(7.0, 1.0))) as file:
        assert file.began == Now(5.0, 1.0)


@pytest.mark.parametrize(
    ("holds", "why"),
    [
        (b"not a database, but long enough to be looked at" * 99, "is no file of mocks serve"),
        (b"", ""),
    ],
)
def test_a_file_of_somebody_elses_is_left_alone(holds: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "books"
    path.write_bytes(holds)
    if not why:
        KeptFile(str(path), ABOUT, START).close()
        return
    with pytest.raises(CannotKeep, match=why):
        KeptFile(str(path), ABOUT, START)
    assert path.read_bytes() == holds


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "books"
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TABLE about (me TEXT)")
    path.chmod(0o644)
    holds = path.read_bytes()
    with pytest.raises(CannotKeep, match="somebody else's database"):
        KeptFile(str(path), ABOUT, START)
    assert path.read_bytes() == holds
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_books_of_another_serving_are_told_by_what_differs(tmp_path: Path) -> None:
    path = str(tmp_path / "books")
    KeptFile(path, {"seed": "1", COMMAND: "serve --x"}, START).close()
    KeptFile(path, {"seed": "1", COMMAND: "serve --y"}, START).close()
    with pytest.raises(CannotKeep, match=r"of seed 1 and not 2: serve as then \(serve --x\), or"):
        KeptFile(path, {"seed": "2", COMMAND: "serve --x"}, START)


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotKeep, match=r"cannot be written \(No such file or directory\)"):
        KeptFile(str(tmp_path / "no" / "books"), ABOUT, START)


@pytest.mark.parametrize("name", [":memory:", "file:books?mode=memory", "b\u00fccher \u8d26"])
def test_any_name_is_that_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(KeptFile(name, ABOUT, START)) as file:
        file.add(CALL, [])
    with closing(KeptFile(name, ABOUT, START)) as file:
        assert [*file.calls()] == [CALL] and file.last() == 1


def test_a_file_that_was_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "books"
    with closing(KeptFile(str(path), ABOUT, START)) as file:
        for n in range(200):
            file.add(KeptCall(n, 0.0, "GET", "/" + "x" * 200, CALL.headers, b"", None), [])
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
    why = pytest.raises(CannotKeep, match=r"is damaged \(.*\); name another file")
    with closing(KeptFile(str(path), ABOUT, START)) as file, why:
        list(file.calls())


def test_a_file_that_is_full_takes_no_key(tmp_path: Path) -> None:
    with closing(KeptFile(str(tmp_path / "books"), ABOUT, START)) as file:
        (pages,) = file._sql.execute("PRAGMA page_count").fetchone()
        file._sql.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CannotKeep, match=r"cannot be written \(database or disk is full\)"):
            file.add_key("pair", "x" * 100_000)
        assert file.keys() == {}


def test_a_file_that_is_full_says_so_of_a_call_that_moved_money_too(tmp_path: Path) -> None:
    with closing(KeptFile(str(tmp_path / "books"), ABOUT, START)) as file:
        (pages,) = file._sql.execute("PRAGMA page_count").fetchone()
        file._sql.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="database or disk is full") as full:
            file.add(CALL, [_moved("x" * 100_000)])
        assert not is_held(full.value)
        assert file.last() == 0


def test_a_movement_is_in_once_however_often_it_is_added(tmp_path: Path) -> None:
    with closing(KeptFile(str(tmp_path / "books"), ABOUT, START)) as file:
        file.add_moved(0, _moved("order-1"))
        file.add(CALL, [_moved("order-1"), _moved("order-1", 1), _moved("order-2")])
        held = file._sql.execute("SELECT call, order_no, nth FROM movements").fetchall()
        assert held == [(0, "order-1", 0), (1, "order-1", 1), (1, "order-2", 0)]


def test_a_file_that_another_program_writes_to_says_so_soon(tmp_path: Path) -> None:
    path = tmp_path / "books"
    with closing(KeptFile(str(path), ABOUT, START)) as file:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for moved in ([], [_moved("order-1")]):
                with pytest.raises(sqlite3.OperationalError) as held:
                    file.add(CALL, moved)
                assert is_held(held.value)
        file.add(CALL, [_moved("order-1")])
        assert file.last() == 1


def _moved(order_no: str, nth: int = 0) -> Moved:
    return Moved("", "flat", nth, "2026", Movement(0.0, order_no, "captured", 1, "CNY"))


CALL = KeptCall(1, 0.5, "GET", "/", [(b"accept", b"*/*")], b"", None)
