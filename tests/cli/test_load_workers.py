"""`tollbench load --workers`: any number of processes make one load, and none is left behind."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.command import Done, tollbench
from tests.cli.processes import PROC, until, watched
from tests.cli.quick import NAMES, write_profiles

pytestmark = pytest.mark.socket

SHORT = ("--rate", "60", "--duration", "0.5", "--set", "turns=1", *NAMES)
LONG = ("load", "conversation", "--rate", "50", "--duration", "600", "--set", "turns=1", *NAMES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_profiles(tmp_path, times_faster=20)
    return tmp_path


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """A server that answers 15 calls, and takes all others without a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        kept: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = listener.accept()
                    kept.append(taken)
                    if len(kept) <= 15:
                        taken.recv(65536)
                        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        taken.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for taken in kept:
        taken.close()


@pytest.mark.thorough
@pytest.mark.parametrize("workers", ["2", "3"])
def test_who_makes_the_load_changes_neither_when_nor_what(workers: str, folder: Path) -> None:
    one = tollbench("load", "conversation", *SHORT, cwd=folder)
    many = tollbench("load", "conversation", *SHORT, "--workers", workers, cwd=folder)
    assert (one.err, many.err) == ("", "")
    (_, mine), (summary, theirs) = one.stored, many.stored
    assert summary.health.workers == int(workers)
    assert f"the most of {workers} workers" in many.out
    dues = [[row.due_s for row in rows.flows] for rows in (mine, theirs)]
    assert len(dues[0]) > 10 and dues[0] == dues[1]
    assert _drawn(one) == _drawn(many)


def _drawn(done: Done) -> list[object]:
    """What the same seed must have drawn: who bought what, and how long each call was to take."""
    _, rows = done.stored
    bought = [(of.conversation, of.turn, of.method, of.amount_minor) for of in rows.flows]
    calls = [of for of in rows.spans if of.provider]
    return [*bought, *((of.conversation, of.turn, of.stage, of.injected_ms) for of in calls)]


@pytest.mark.thorough
def test_calls_that_were_never_answered_are_in_every_percentile(
    silent: str, tmp_path: Path
) -> None:
    args = ("--rate", "200", "--duration", "1", "--arrivals", "constant", "--drain", "0.3")
    done = tollbench("load", "http", "--url", silent, *args, "--workers", "2", cwd=tmp_path)
    summary, rows = done.stored
    health = summary.health
    assert (health.due, health.started, health.finished, health.failed) == (199, 199, 15, 0)
    assert health.running == 184
    assert [of for of in summary.invalid_because if "turns" in of] == []
    assert [line.split()[-1] for line in done.out.splitlines()[1:6]] == ["never"] * 5
    assert "184 turns were in flight when the run was cut off" in done.out
    assert summary.parameters["arrivals"] == "constant"
    assert summary.parameters["drain_s"] == 0.3
    dues = [row.due_s for row in rows.flows]
    assert dues == pytest.approx([(n + 1) / 200 for n in range(199)])
    cut = [span for span in rows.spans if span.status == 0]
    assert len(cut) == 184
    assert min(span.end_s for span in cut) == pytest.approx(1.3, abs=0.3)


@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
def test_the_death_of_a_worker_ends_the_run_and_keeps_what_the_others_had(folder: Path) -> None:
    with watched(*LONG, "--workers", "2", cwd=folder) as watch:
        watch.until_turns_ended(5)
        workers = sorted(pid for pid, _ in watch.family if _is_worker(pid, watch.process.pid))
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        done = watch.end()
        assert watch.left() == set()
    summary, rows = done.stored
    assert (done.code, summary.valid) == (4, False)
    assert "by the death of worker 1 of 2 (signal 9)" in summary.invalid_because[0]
    assert any(row.conversation % 2 == 1 for row in rows.flows)
    assert "Traceback" not in done.err


def _is_worker(pid: int, parent: int) -> bool:
    """A fork of the command; the mocks are another program."""
    told = [(PROC / str(of) / "cmdline").read_bytes() for of in (pid, parent)]
    return pid != parent and told[0] == told[1]


@pytest.mark.thorough
@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
def test_a_run_that_is_killed_leaves_what_it_had_and_says_so(folder: Path) -> None:
    with watched(*LONG, "--workers", "2", cwd=folder) as watch:
        watch.until_turns_ended(5)
        watch.process.kill()
        watch.process.wait()
        until(lambda: not watch.left())
    (kept,) = (folder / "results").iterdir()
    told = tollbench("report", kept.name, cwd=folder)
    assert told.code == 2
    (line,) = told.problems
    assert "was cut off before it was whole" in line
    turns = int(line.split(" turns are kept")[0].split()[-1].replace(",", ""))
    assert turns >= 5


def test_workers_are_for_the_real_clock_and_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    args = ("--rate", "1", "--duration", "1", "--clock", "virtual", "--workers", "2")
    done = tollbench(
        "load", "conversation", *args, "--arrivals", "never", "--drain", "-1", cwd=tmp_path
    )
    assert done.code == 2
    assert [line.split(": ")[1].split()[0] for line in done.problems] == [
        "--workers", "--arrivals", "--drain",
    ]  # fmt: skip
    assert not (tmp_path / "results").exists()
