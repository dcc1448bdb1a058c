"""The verb `torture`: conversations full of faults, and a search for one that breaks the books."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Json, Seed


def torture(
    seeds: Annotated[str, typer.Option(metavar="N", help="Conversations to play.")] = "2000",
    time: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="Play on for so long, in place of --seeds: 90, 10m, 1h.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = "1",
    jobs: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Worker processes.  [default: one a core]", show_default=False
        ),
    ] = None,
    pay: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Payment profiles.  [default: all providers]", show_default=False
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Strategies, as in baseline,prewarm+token_cache.  [default: all 8]",
            show_default=False,
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Scenarios.  [default: all that pay]", show_default=False
        ),
    ] = None,
    least_hits: Annotated[
        str,
        typer.Option(
            metavar="N", help="So often each fault must strike each stage under each strategy."
        ),
    ] = "0",
    case: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Play this one conversation, and show it.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Search for a conversation that breaks the books.

    Scenarios, providers, strategies and faults are drawn at random and played on the virtual clock;
    what the app believes of its payments is held against the ledgers. The first that breaks is
    shrunk to the least that still does.

    Exit code 0 means that all books hold, 4 that some do not, or that the run was interrupted or
    lost a worker, 3 that a fault was met less often than --least-hits, 2 that the command was
    wrong.
    """
    from harness.cli.torture_run import Wanted, run_case, run_torture

    wanted = Wanted(
        seeds=seeds,
        time=time,
        seed=seed,
        jobs=jobs,
        pay=pay,
        strategy=strategy,
        scenario=scenario,
        least_hits=least_hits,
    )
    if case is not None:
        return run_case(case, as_json=json, besides=wanted)
    return run_torture(wanted, as_json=json)
