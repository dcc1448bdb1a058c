"""The verb group `mocks`: the other side of every wire, served to any client."""

from typing import Annotated

import typer

from harness.cli.options import Seed

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def mocks() -> None:
    """The mocked providers, for any client."""


@app.command()
def serve(
    port: Annotated[
        str, typer.Option(metavar="N", help="Port to listen on; 0 is any free one.")
    ] = "8700",
    seed: Seed = "1",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="In place of its provider's usual one, or a further model; repeatable.",
        ),
    ] = None,
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|PROFILE=N",
            help="Calls that every mocked server takes at once, or that of one profile; "
            "repeatable.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDR", help="Address to listen at; beyond this machine, warned.")
    ] = "127.0.0.1",
    webhooks_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Host that notices may be sent to besides this machine; repeatable.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Keep a line of JSON for each request; - prints them."),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Processes that hold connections; one more decides for all of them.",
        ),
    ] = "1",
    json_: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON object.")
    ] = False,
) -> int:
    """Serve every provider's mock at one port, each under a base path of its own, until Ctrl-C.

    Beside the wires: /_health, /_ledger?provider= (all orders), and /_spans?since=&trace= (all
    calls, or those of a W3C trace whose id begins so).
    A path may begin with /~NAME, for mocks that share nothing with those of other names.
    """
    # After the options are parsed: help must not wait for all that a server is made of.
    from harness.cli import serving

    return serving.serve(
        serving.Options(
            port=port,
            seed=seed,
            profiles=profile or [],
            capacities=capacity or [],
            host=host,
            webhooks_to=webhooks_to or [],
            log=log,
            workers=workers,
            as_json=json_,
        )
    )
