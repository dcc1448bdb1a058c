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
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="What goes wrong, by shares of the calls: timeouts=1%,reset=0.5%."
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="SQLite file that keeps all books: served again with it, they go on, also after a "
            "crash.",
        ),
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

    Beside the wires: /_health, /_ledger?provider= (all orders), /_books (what they moved), /_faults
    (what struck), and /_spans?since=&trace= (all calls, or those of a W3C trace whose id begins
    so).
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
            faults=faults,
            ledger=ledger,
            workers=workers,
            as_json=json_,
        )
    )


@app.command()
def fit(
    source: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Recording, run folder, CSV, HAR or OTLP-JSON."),
    ],
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FIGURE",
            help="Which figure a stage's times are: overhead, session, key or latency; repeatable.",
        ),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only its calls, or whose calls they are.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Only its answers, or whose they are.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            help="What is not measured is taken from it.  [default: the shipped one]",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of the profile.  [default: model or provider, and -measured]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.toml", help="Where it goes.  [default: NAME.toml]", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Make a profile of what was measured, for --pay, --intent, --confirm and mocks serve.

    Its times follow a lognormal, one with stalls, or the quantiles as they were seen, whichever
    foretells best; how far it is off is told.
    """
    from harness.cli import mocks_fit

    return mocks_fit.fit_profile(
        mocks_fit.Options(
            sources=source,
            stages=stage or [],
            provider=provider,
            model=model,
            like=like,
            name=name,
            out=out,
            force=force,
            as_json=json_,
        )
    )


@app.command()
def check(
    profile: Annotated[
        list[str], typer.Argument(metavar="PROFILE...", help="Names or TOML files.")
    ],
    samples: Annotated[str, typer.Option(metavar="N", help="Calls to each of them.")] = "2000",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="BASE",
            help="Of mocks that are served there.  [default: some are, meanwhile]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = "1",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Hold served mocks against their profiles: what they mean to take, and what was seen.

    Exit code 0: all hold. 1: one does not. 3: nothing certain can be said.
    """
    from harness.cli import mocks_check

    return mocks_check.check_profiles(
        mocks_check.Options(profiles=profile, samples=samples, url=url, seed=seed, as_json=json_)
    )
