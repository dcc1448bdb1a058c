"""The verb `record`: calls pass through to their providers, and their times become a recording."""

from typing import Annotated

import typer


def record(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Recording to write, or to go on with.")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|NAME=URL|URL",
            help="A provider at its public host, at a server of your own, or all of them at served "
            "mocks; repeatable. Left out, every provider at its public host.",
        ),
    ] = None,
    port: Annotated[
        str, typer.Option(metavar="N", help="Port to listen on; 0 is any free one.")
    ] = "8600",
    host: Annotated[
        str, typer.Option(metavar="ADDR", help="Address to listen at; beyond this machine, warned.")
    ] = "127.0.0.1",
    bodies: Annotated[
        bool,
        typer.Option("--bodies", help="Keep bodies too, without what looks like a secret."),
    ] = False,
    stage: Annotated[
        str, typer.Option(metavar="HEADER", help="The header that says what a call is for.")
    ] = "x-tollbench-stage",
    json_: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON object.")
    ] = False,
) -> int:
    """Record the calls of any client to its providers, until Ctrl-C.

    Point the client's base URL here: its calls pass through, keys and all. A recording has their
    times, sizes, token counts and shapes, and never a key, a query or a header.
    """
    # After the options are parsed: help must not wait for all that a server is made of.
    from harness.cli import recording

    return recording.serve(
        recording.Options(
            file=file,
            to=to or [],
            port=port,
            host=host,
            bodies=bodies,
            stage=stage,
            as_json=json_,
        )
    )
