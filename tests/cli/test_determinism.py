"""The same seed measures the same, to the last bit, however the work is spread."""

from pathlib import Path

import msgspec
import pytest

from tests.cli.command import Done, tollbench

ROUNDS = ("compare", "--flows", "24", "--rounds", "3")
OF_THE_OCCASION = ("run_id", "started_at", "wall_s", "argv")

SPREAD = {
    "two workers, the mitigations in another order": (
        ("--jobs", "2", "--vary", "parallel-confirm,prewarm"),
        "1",
    ),
    "three workers": (("--jobs", "3", "--vary", "prewarm,parallel_confirm"), "random"),
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One process, no workers."""
    args = (*ROUNDS, "--jobs", "1", "--vary", "prewarm,parallel_confirm")
    return tollbench(*args, cwd=tmp_path_factory.mktemp("alone"), PYTHONHASHSEED="0")


@pytest.mark.parametrize("spread", SPREAD)
def test_a_run_is_the_same_whoever_does_the_work(spread: str, alone: Done, tmp_path: Path) -> None:
    args, hash_seed = SPREAD[spread]
    done = tollbench(*ROUNDS, *args, cwd=tmp_path, PYTHONHASHSEED=hash_seed)
    assert _summary(done) == _summary(alone)
    for name in ("flows.parquet", "spans.parquet"):
        assert (done.latest / name).read_bytes() == (alone.latest / name).read_bytes()


def test_another_seed_measures_something_else(alone: Done, tmp_path: Path) -> None:
    args = ("--jobs", "2", "--vary", "prewarm,parallel_confirm", "--seed", "2")
    (summary, rows), (other, other_rows) = (
        tollbench(*ROUNDS, *args, cwd=tmp_path).stored,
        alone.stored,
    )
    assert summary.rows_sha256 != other.rows_sha256
    assert [row.response_ms for row in rows.flows] != [row.response_ms for row in other_rows.flows]


def _summary(done: Done) -> dict[str, object]:
    """All of run.json but what tells when and how it was run; the hash of the rows is in it."""
    text = (done.latest / "run.json").read_bytes()
    told = msgspec.json.decode(text, type=dict[str, object])
    return {name: value for name, value in told.items() if name not in OF_THE_OCCASION}
