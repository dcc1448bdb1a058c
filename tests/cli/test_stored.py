"""Opening a stored run: one of an older schema gets all figures anew, and a bad one is refused."""

import re
from pathlib import Path

import msgspec
import pytest

from harness import record
from harness.cli.exits import BadInput
from harness.cli.stored import factors_of, open_run
from harness.flow.strategy import MITIGATIONS, all_strategies
from harness.record import Columns, Rows, RunSummary, VariantSummary, WarmUp, columns_of, rows_of
from harness.stats.analysis import Question, analyse, with_findings
from tests.cli.command import SMALL, tollbench
from tests.record.sample import SUMMARY
from tests.stats.by_hand import Named
from tests.worlds import one_round

STRATEGIES = [
    Named(of.name, of.prewarm, of.token_cache, of.parallel_confirm) for of in all_strategies()
]


@pytest.fixture(scope="module")
def columns() -> Columns:
    rows = Rows()
    for round_ in range(5):
        rows.extend(one_round(round_, turns=20).rows)
    record.sort(rows)
    return columns_of(rows)


@pytest.fixture(scope="module")
def run(columns: Columns) -> RunSummary:
    question = Question(factors=MITIGATIONS, seed=SUMMARY.seed)
    found = analyse(columns, STRATEGIES, question)
    return with_findings(msgspec.structs.replace(SUMMARY, warm_up=None), found)


def make_older(folder: Path, **changed: object) -> None:
    """As the first schema wrote it: settings and rows whole, of the figures only some."""
    told = msgspec.json.decode((folder / "run.json").read_bytes(), type=dict[str, object])
    later = (
        "versions", "files", "level", "effect_level", "tolerance", "primary", "looks", "warm_up",
        "simple_effects", "attribution", "shifts", "round_figures", "in_flight", "capacity",
    )  # fmt: skip
    told = {name: value for name, value in told.items() if name not in later}
    variants = msgspec.convert(told["variants"], list[dict[str, object]])
    for variant in variants:
        del variant["quantiles"], variant["percentiles"], variant["strata"]
        variant["p50_ms"] = 123456.0  # by another definition, say
    told |= {"schema": 1, "variants": variants, "effects": [], **changed}
    (folder / "run.json").write_bytes(msgspec.json.encode(told))


def test_a_run_of_this_schema_is_opened_as_it_was_written(
    columns: Columns, run: RunSummary, tmp_path: Path
) -> None:
    written = record.write(tmp_path, run, columns)
    summary, found = open_run(tmp_path)
    assert summary == written
    assert rows_of(found).flows == rows_of(columns).flows


def test_a_run_of_an_older_schema_gets_every_figure_anew(
    columns: Columns, run: RunSummary, tmp_path: Path
) -> None:
    record.write(tmp_path, run, columns)
    make_older(tmp_path)
    summary, _ = open_run(tmp_path)
    # But for the hashes of its files, which it never had, it is what is measured today.
    assert msgspec.json.encode(summary) == msgspec.json.encode(run)
    assert {effect.factor for effect in summary.effects} >= set(MITIGATIONS)


@pytest.mark.parametrize(
    ("clock", "endpoints", "discarded"),
    [("virtual", "mock", 0), ("real", "mock", 8), ("real", "real", 0)],
)
def test_what_an_older_run_left_out_to_warm_up_is_known(
    columns: Columns, run: RunSummary, tmp_path: Path, clock: str, endpoints: str, discarded: int
) -> None:
    record.write(tmp_path, run, columns)
    make_older(tmp_path, clock=clock, endpoints=endpoints)
    assert open_run(tmp_path)[0].warm_up == WarmUp(discarded_turns=discarded)


def test_an_older_run_of_one_strategy_has_no_effects(
    columns: Columns, run: RunSummary, tmp_path: Path
) -> None:
    record.write(tmp_path, run, columns)
    make_older(tmp_path, variants=msgspec.to_builtins(run.variants[:1]))
    summary, _ = open_run(tmp_path)
    assert [one.name for one in summary.variants] == ["baseline"]
    assert (summary.effects, summary.shifts) == ([], [])
    assert summary.variants[0] == run.variants[0]


def test_a_bad_run_is_one_line_for_the_user(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        open_run(tmp_path)
    (problem,) = refused.value.problems
    assert re.search("has no run.json: .* run again", problem)


def test_the_newest_run_is_opened_by_the_name_latest(
    columns: Columns, run: RunSummary, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="holds no run yet"):
        open_run(tmp_path / "latest")
    folder = record.new_folder(tmp_path, "one")
    record.write(folder, run, columns)
    record.point_latest(folder)
    assert open_run(tmp_path / "latest")[0].rounds == run.rounds
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").write_text("one\n")  # where links are not allowed
    assert open_run(tmp_path / "latest")[0].rounds == run.rounds


def variants(*levels: tuple[bool, bool, bool]) -> list[VariantSummary]:
    (template,) = SUMMARY.variants
    return [
        msgspec.structs.replace(template, **dict(zip(MITIGATIONS, level, strict=True)))
        for level in levels
    ]


OFF, CACHED, WARM, BOTH = (
    (False, False, False),
    (False, True, False),
    (True, False, False),
    (True, True, False),
)


@pytest.mark.parametrize(
    ("levels", "factors"),
    [
        ([], []),
        ([OFF], []),
        ([OFF, OFF, OFF], []),  # of three payment providers
        ([OFF, WARM], ["prewarm"]),
        ([WARM, BOTH], ["token_cache"]),
        ([OFF, CACHED, WARM, BOTH], ["prewarm", "token_cache"]),
        ([BOTH, OFF, WARM, CACHED], ["prewarm", "token_cache"]),
        ([OFF, CACHED, WARM], []),
        ([OFF, BOTH], []),
        ([OFF, WARM, WARM, OFF], []),
    ],
)
def test_the_factors_are_what_the_variants_are_all_combinations_of(
    levels: list[tuple[bool, bool, bool]], factors: list[str]
) -> None:
    assert factors_of(variants(*levels)) == factors


def test_what_compare_stored_is_opened_and_found_again_from_its_rows(tmp_path: Path) -> None:
    assert tollbench("compare", *SMALL, "--seed", "5", cwd=tmp_path).code == 0
    summary, columns = open_run(tmp_path / "results" / "latest")
    assert set(summary.versions) == {"numpy", "scipy", "httpx", "httptools"}
    assert summary.warm_up == WarmUp(discarded_turns=0)
    found = analyse(columns, summary.variants, Question(factors=MITIGATIONS, seed=5))
    assert with_findings(summary, found) == summary
