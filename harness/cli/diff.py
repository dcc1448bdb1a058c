"""The verb `diff`: two stored runs, strategy by strategy; it measures and stores nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from harness.cli.options import Json, Out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cli.problems import Problems
    from harness.record import Columns, RunSummary
    from harness.report.diff import Diff
    from harness.stats.likeness import Likeness
    from harness.stats.run_diff import Asked, Primary


class OpenedRun(NamedTuple):
    """A stored run and where it is, as the user wrote it."""

    summary: RunSummary
    columns: Columns
    path: str


def diff(
    run_a: Annotated[
        str, typer.Argument(metavar="RUN_A", help="The run before: a folder, or its name in --out.")
    ],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run after.")],
    tolerance: Annotated[
        str, typer.Option(metavar="T", help="How large a change must be to matter: 5% or 40ms.")
    ] = "5%",
    quantiles: Annotated[
        str, typer.Option(metavar="LIST", help="The percentiles to compare.")
    ] = "50,95,99",
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The only strategy to compare.  [default: all that both runs have]",
            show_default=False,
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            metavar="NAME@pN",
            help="The one figure in question, as baseline@p50: judged for itself, and alone in "
            "being inconclusive.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs that are unlike or invalid, and say so.")
    ] = False,
    out: Out = "results",
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request.")
    ] = False,
) -> int:
    """Tell what changed from one stored run to another.

    Exit code 0 means that nothing regressed, 1 that something did, 3 that it cannot be told, 4 that
    one of the runs cannot be believed, 2 that the command was wrong or the runs are unlike.
    """
    from harness.cli.problems import Problems

    problems = Problems()
    if json and markdown:
        problems.add("--json and --markdown: only one of them can be printed; leave one out")
    asked_tolerance = problems.tolerance("--tolerance", tolerance)
    asked_quantiles = problems.quantiles("--quantiles", quantiles)
    stored = [_opened(problems, name, out) for name in (run_a, run_b)]
    problems.settle()
    a, b = (run for run in stored if run is not None)
    alike = _likeness(problems, a.summary, b.summary, force)
    strategies = _strategies(problems, strategy, alike)
    declared = _primary(problems, primary, strategies, asked_quantiles)
    problems.settle()

    from harness.stats.run_diff import Asked

    asked = Asked(
        strategies=strategies,
        quantiles=asked_quantiles,
        tolerance=asked_tolerance,
        paired=alike.paired or _same_batches(a, b, alike),
        series=alike.series,
        primary=declared,
        seed=a.summary.seed,
    )
    invalid = _invalid(a.summary, b.summary)
    if invalid and not force:
        return _refuse(invalid)
    found = _compare(a, b, asked, alike, invalid)
    _print(found, json, markdown)
    return _exit_code(found)


def _opened(problems: Problems, name: str, out: str) -> OpenedRun | None:
    from harness.cli.exits import BadInput
    from harness.cli.stored import open_run, run_path

    path = run_path(name, out)
    try:
        return OpenedRun(*open_run(path), str(path))
    except BadInput as error:
        for problem in error.problems:
            problems.add(problem)
        return None


def _likeness(problems: Problems, a: RunSummary, b: RunSummary, force: bool) -> Likeness:
    from harness.stats.likeness import likeness

    alike = likeness(a, b)
    if not force:
        for difference in alike.differences:
            problems.add(f"the runs are unlike in {difference}; run one again, or take --force")
    if not alike.strategies:
        problems.add("the runs have no strategy in common: nothing can be compared")
    return alike


def _same_batches(a: OpenedRun, b: OpenedRun, alike: Likeness) -> bool:
    """Whether each batch of one series met the arrivals and the draws of the same one of the other,
    on whichever clock."""
    from harness.stats.run_diff import same_schedule

    same_draws = a.summary.seed == b.summary.seed and not alike.differences
    return alike.series and same_draws and same_schedule(a.columns.turns, b.columns.turns)


def _strategies(problems: Problems, named: str | None, alike: Likeness) -> list[str]:
    if named is None or not alike.strategies:
        return alike.strategies
    if named not in alike.strategies:
        known = ", ".join(alike.strategies)
        problems.add(f"--strategy {named!r} is not in both runs; take one of {known}")
        return alike.strategies
    return [named]


def _primary(
    problems: Problems, text: str | None, strategies: Sequence[str], quantiles: Sequence[float]
) -> Primary | None:
    from harness.stats.run_diff import Primary

    if text is None:
        return None
    name, _, where = text.rpartition("@")
    quantile = problems.quantile("--primary", where)
    if name not in strategies:
        known = ", ".join(strategies)
        problems.add(f"--primary {text!r} names no strategy that is compared; take one of {known}")
    if quantile not in quantiles:
        problems.add(f"--primary {text!r} is not among --quantiles; add it there")
    return Primary(name, quantile)


def _invalid(a: RunSummary, b: RunSummary) -> list[str]:
    return [
        f"run {name} is invalid: {'; '.join(run.invalid_because) or 'no reason was recorded'}"
        for name, run in (("A", a), ("B", b))
        if not run.valid
    ]


def _refuse(invalid: Sequence[str]) -> int:
    """No verdict comes from a run that cannot be believed."""
    import sys

    from harness.cli.exits import INVALID

    for reason in invalid:
        print(f"tollbench: {reason}; run it again, or take --force", file=sys.stderr)
    return INVALID


def _compare(
    a: OpenedRun,
    b: OpenedRun,
    asked: Asked,
    alike: Likeness,
    invalid: Sequence[str],
) -> Diff:
    from harness.report.diff import Diff, diff_sentence, one_run
    from harness.stats.run_diff import batch_counts, diff_runs, verdict_of

    rows = diff_runs(a.columns, b.columns, asked)
    verdict = verdict_of(rows)
    batches = batch_counts(a.columns.turns, b.columns.turns, asked)
    return Diff(
        a=one_run(a.summary, a.path),
        b=one_run(b.summary, b.path),
        sentence=diff_sentence(rows, verdict, asked.tolerance, batches),
        verdict=verdict,
        paired=asked.paired,
        batches=batches,
        level=asked.level,
        tolerance=asked.tolerance,
        overlooked=[*invalid, *alike.differences],
        notes=alike.notes,
        rows=rows,
    )


def _print(found: Diff, as_json: bool, as_markdown: bool) -> None:
    from harness.report.diff import diff_markdown, print_diff

    if as_json:
        from harness.cli.printed import print_json

        print_json(found)
    elif as_markdown:
        print(diff_markdown(found))
    else:
        from rich.console import Console

        print_diff(found, Console())


def _exit_code(found: Diff) -> int:
    from harness.cli.exits import INCONCLUSIVE, PASS, REGRESSION

    if found.verdict == "regressed":
        return REGRESSION
    return INCONCLUSIVE if found.verdict in ("cannot tell", "unknown") else PASS
