"""The journal: what comes last counts, a torn line is of no account, and anybody may read it."""

import asyncio
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.real.journal import Entry, Journal, read_journal

ENTRY = Entry(
    provider="stripe",
    mode="sandbox",
    order_no="o-1",
    amount_minor=50,
    currency="USD",
    at=1.0,
    run_id="run-1",
    key="pay-o-1",
)


def _entry(order_no: str = "o-1", at: float = 1.0) -> Entry:
    return msgspec.structs.replace(ENTRY, order_no=order_no, at=at)


def _intend(journal: Journal, *entries: Entry) -> None:
    async def main() -> None:
        for entry in entries:
            await journal.intend(entry)

    asyncio.run(main())


def _whole(folder: Path) -> Path:
    """Three orders: one closed, one made, one that nobody has answered for."""
    journal = Journal(folder / "orders.jsonl")
    _intend(journal, *(_entry(f"o-{n}") for n in (1, 2, 3)))
    journal.created("stripe", "o-1", "pi_1")
    journal.created("stripe", "o-2", "pi_2")
    journal.closed("stripe", "o-1", "refunded")
    journal.close()
    return journal.path


def test_what_comes_last_counts(tmp_path: Path) -> None:
    entries = read_journal(_whole(tmp_path))
    assert [(each.order_no, each.state, each.id) for each in entries] == [
        ("o-1", "closed", "pi_1"),
        ("o-2", "created", "pi_2"),
        ("o-3", "intended", ""),
    ]


def test_an_order_that_is_sent_again_is_open_again(tmp_path: Path) -> None:
    path = _whole(tmp_path)
    _intend(Journal(path), _entry("o-1", at=9.0))
    [again] = [each for each in read_journal(path) if each.order_no == "o-1"]
    assert (again.state, again.id, again.at) == ("intended", "pi_1", 1.0)


def test_an_answer_that_comes_after_the_close_opens_it_again(tmp_path: Path) -> None:
    path = _whole(tmp_path)
    Journal(path).created("stripe", "o-1", "pi_9")
    assert [each.order_no for each in Journal(path).open] == ["o-1", "o-2", "o-3"]


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    journal = Journal(_whole(tmp_path))
    assert [each.order_no for each in journal.open] == ["o-2", "o-3"]
    assert journal.number_of("stripe", "pi_2") == "o-2"
    journal.closed("stripe", "o-2", "canceled")
    journal.closed("stripe", "o-3", "not there")
    journal.close()
    journal.close()
    assert Journal(journal.path).open == []


def test_one_order_number_at_two_providers_is_two_orders(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "orders.jsonl")
    _intend(journal, ENTRY, msgspec.structs.replace(ENTRY, provider="alipay-v3"))
    journal.closed("stripe", "o-1", "canceled")
    assert [each.provider for each in read_journal(journal.path) if each.state != "closed"] == [
        "alipay-v3"
    ]


def test_what_nobody_intended_is_never_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "orders.jsonl")
    journal.created("stripe", "o-9", "pi_9")
    journal.closed("stripe", "o-9", "canceled")
    assert read_journal(journal.path) == []


def test_no_file_is_no_empty_journal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_journal(tmp_path / "orders.jsonl")


def test_wherever_a_crash_tears_it_no_whole_line_is_lost(tmp_path: Path) -> None:
    path = _whole(tmp_path)
    whole = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 37):
        path.write_bytes(whole[:cut])
        # A line that lacks nothing but its end is whole.
        lines = sum(end <= cut + 1 for end in ends)
        assert len(read_journal(path)) == min(lines, 3)
        _intend(Journal(path), _entry("o-9"))
        assert read_journal(path)[-1].order_no == "o-9"


def test_a_line_that_a_full_disk_tore_spoils_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "orders.jsonl")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, line: write(fd, line[:9]))
        with pytest.raises(OSError, match="disk full"):
            _intend(journal, _entry("o-1"))
    assert journal.entries == {}
    _intend(journal, _entry("o-2"), _entry("o-3"))
    assert [each.order_no for each in read_journal(journal.path)] == ["o-2", "o-3"]


def test_no_order_is_noted_where_nobody_finds_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "orders.jsonl")
    journal.path.unlink()
    with pytest.raises(OSError, match="deleted"):
        _intend(journal, ENTRY)
    assert journal.entries == {}


def test_a_journal_is_no_way_to_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    path = tmp_path / "orders.jsonl"
    path.symlink_to(other)
    with pytest.raises(OSError):
        Journal(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="no file"):
        Journal(path)
    assert other.read_text() == "precious"


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_whatever_else_is_in_the_file_is_passed_over(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.jsonl"
    line = msgspec.json.encode(ENTRY)
    path.write_bytes(b"\n".join([*junk, line, *junk]) + b"\n")
    assert ENTRY in read_journal(path)


def test_readers_see_whole_orders_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "orders.jsonl")
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(len(read_journal(journal.path)))

    reader = threading.Thread(target=read)
    reader.start()
    _intend(journal, *(_entry(f"o-{n}") for n in range(50)))
    stop.set()
    reader.join()
    assert seen == sorted(seen)
    assert len(read_journal(journal.path)) == 50


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    assert os.stat(_whole(tmp_path)).st_mode & 0o777 == 0o600
