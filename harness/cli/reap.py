"""The verb `reap`: what runs on real targets have left open is closed, canceled or given back; it
makes no order."""

from typing import Annotated

import typer

from harness.cli.options import Json, Out


def reap(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Folders of runs, or names in --out. Left out, all that are there.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is open, and ask nobody.")
    ] = False,
    out: Out = "results",
    json: Json = False,
) -> int:
    """Close or give back the orders that real runs have left open.

    Every run with --targets real notes its orders in orders.jsonl before it sends them, so that a
    crash loses none. Of each that is open there its provider is asked how it stands; it is then
    closed or canceled, or its money given back, and the journal says so. It may be done twice, and
    runs that go on are left alone. Exit code 0 means that nothing is open now, 2 that the command
    was wrong, credentials are missing or a journal cannot be read, 4 that something is open still,
    which is named with the reason. UnionPay closes no order: one that nobody has paid is open until
    it ends by itself, a quarter of an hour after it was made, and to reap it then confirms that.
    """
    # After the options are parsed: help must not wait for what providers are asked with.
    from harness.cli.reaping import reap_runs

    return reap_runs(runs or [], out, dry_run=dry_run, as_json=json)
