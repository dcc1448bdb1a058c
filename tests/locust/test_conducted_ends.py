"""Whatever dies or joins in a run of Locust, the rest knows it and nothing is left over: all with
doubles of our processes."""

import signal
import time
from pathlib import Path

import pytest

from tests.locust.conducted import RATE_EACH, TWO_WORKERS, Run, command, heard
from tests.locust.doubles.collector import LOG
from tests.locust.processes import (
    LIMIT_S,
    all_end,
    begun,
    descendants,
    ran,
    until,
    watch,
    worker_of,
)

pytestmark = [pytest.mark.socket, pytest.mark.thorough]

BEGUN = b"All users spawned"
LONG = ("-u", "4", "-r", "9", "--only-summary", *TWO_WORKERS)


def _until_played(out: Path) -> None:
    """Until some turn has ended: by then the first second is planned."""
    until = time.monotonic() + LIMIT_S
    while '"turns": [[' not in (out / LOG).read_text():
        assert time.monotonic() < until
        time.sleep(0.05)


def _pids(below: list[int], what: str) -> list[int]:
    return [pid for pid in below if what in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.parametrize(
    ("victim", "why"),
    [
        ("doubles.engine", "it was killed by signal 9"),
        pytest.param(
            "--processes", "nothing was heard of its worker any more", marks=pytest.mark.slow
        ),
    ],
    ids=["an engine", "a worker"],
)
def test_the_share_of_what_died_goes_to_the_others(tmp_path: Path, victim: str, why: str) -> None:
    out = tmp_path / "run"
    with begun(command(out, *LONG, "-t", "8s")) as process:
        until(process, BEGUN)
        _until_played(out)
        pid = _pids(descendants(process.pid), victim)[0]
        (victim_open,) = watch([pid])
        signal.pidfd_send_signal(victim_open, signal.SIGKILL)
        assert all_end([victim_open])
        process.communicate(timeout=30)
    run = Run(process.returncode, "", heard(out))
    (gone,) = run.of_type("gone")
    assert gone["why"] == why
    first, second, *_ = run.of_type("planned")
    assert second["workers"] == [name for name in first["workers"] if name != gone["worker"]]
    assert second["from_s"] - gone["at_s"] < 2.0
    later = [turn for turn in run.turns if turn[1] > second["from_s"]]
    numbers = [n for n, _, _ in later]
    assert numbers == list(range(numbers[0], numbers[0] + len(later)))
    assert sum("account" in line for line in run.heard) == 1


def test_workers_of_a_killed_master_end_and_so_do_their_children(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with begun(command(out, *LONG)) as process:
        until(process, BEGUN)
        watched = watch(descendants(process.pid))
        assert len(watched) == 5
        process.kill()
        _, rest = process.communicate(timeout=30)
        assert all_end(watched)
    assert rest.count("The master is gone") == 2
    assert heard(out)[-1]["type"] == "end of input"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [(), TWO_WORKERS], ids=["one process", "two workers"])
def test_a_run_that_is_interrupted_is_accounted_for(
    tmp_path: Path, how: signal.Signals, workers: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    with begun(command(out, *LONG[:5], *workers)) as process:
        until(process, BEGUN)
        process.send_signal(how)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    told = heard(out)
    assert [line["type"] for line in told[-2:]] == ["planned", "close"]
    assert sum("account" in line for line in told) == len(told[0]["workers"])
    assert "VALID, as far as the double knows" in rest


@pytest.mark.parametrize(
    "deaf",
    [pytest.param((), marks=pytest.mark.slow), ("--intent", "deaf")],
    ids=["at once", "deaf for a while"],
)
def test_a_worker_that_joins_later_plays_its_share_from_the_next_step(
    tmp_path: Path, deaf: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    master = command(out, *LONG[:4], "-t", "6s", "--master", "--expect-workers", "1")
    with begun(worker_of(master)), begun(master) as process:
        until(process, BEGUN)
        _until_played(out)
        with begun([*worker_of(master), *deaf]):
            process.communicate(timeout=LIMIT_S)
    run = Run(process.returncode, "", heard(out))
    alone, *_, joined = run.of_type("planned")[:-1]  # the last is the stop
    assert (len(alone["workers"]), len(joined["workers"])) == (1, 2)
    assert [n for n, _, _ in run.turns] == list(range(len(run.turns)))
    shared = [turn for turn in run.turns if turn[1] > joined["from_s"]]
    assert len({worker for _, _, worker in shared}) == 2
    assert all(worker == joined["workers"][n % 2] for n, _, worker in shared)


def test_a_worker_whose_master_died_elsewhere_tells_it_and_ends(tmp_path: Path) -> None:
    out = tmp_path / "run"
    master = command(out, *LONG[:4], "--master", "--expect-workers", "1")
    with begun(worker_of(master)) as worker, begun(master) as process:
        until(process, BEGUN)
        watched = watch(descendants(worker.pid))
        assert len(watched) == 1
        process.kill()
        _, rest = worker.communicate(timeout=LIMIT_S)
        assert all_end(watched)
    assert worker.returncode == 4
    assert rest.count("The master is gone") == 1


def test_an_impatient_ctrl_c_does_not_tear_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with begun(command(out, *LONG)) as process:
        until(process, BEGUN)
        _until_played(out)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, rest = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert heard(out)[-1]["type"] == "close"


def test_a_load_shape_beside_the_locustfile_sets_the_rate_and_its_end_ends_the_run(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    shaped = [
        word.replace("doubles/locustfile", "doubles/shapefile")
        for word in command(out, "--only-summary", *TWO_WORKERS)
    ]
    (done,) = ran(shaped)
    assert done.returncode == 0
    planned = Run(0, "", heard(out)).of_type("planned")
    assert [plan["rate"] for plan in planned] == [RATE_EACH, 3 * RATE_EACH, 0.0]
