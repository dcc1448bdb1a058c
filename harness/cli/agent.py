"""The verb `agent`: a chat agent to load-test, and the mocks behind it."""

from typing import Annotated

import typer

from harness.cli.options import Confirm, Intent, Pay, Reason, Seed


def agent(
    port: Annotated[
        str, typer.Option(metavar="N", help="Port to listen on; 0 is any free one.")
    ] = "8600",
    host: Annotated[
        str, typer.Option(metavar="ADDR", help="Address to listen at; beyond this machine, warned.")
    ] = "127.0.0.1",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="baseline|A,B", help="Mitigations: prewarm, token_cache, parallel_confirm."
        ),
    ] = "baseline",
    mocks: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Mocks that are served already.  [default: its own]",
            show_default=False,
        ),
    ] = None,
    mocks_port: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Port of its own mocks; 0 is any free one.  [default: 8700]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = "1",
    pay: Pay = None,
    intent: Intent = None,
    confirm: Confirm = None,
    reason: Reason = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON object.")
    ] = False,
) -> int:
    """Serve a reference chat agent, so that there is an app to load.

    At POST /chat it reads what a user says, pays by a mocked provider and confirms, as the agent of
    the scenarios does, until Ctrl-C. Its own mocks are those of mocks serve.
    """
    # After the options are parsed: help must not wait for all that a server is made of.
    from harness.cli import agent_serving

    return agent_serving.serve(
        agent_serving.Options(
            port=port,
            host=host,
            mocks=mocks,
            mocks_port=mocks_port,
            strategy=strategy,
            seed=seed,
            pay=pay,
            intent=intent,
            confirm=confirm,
            reason=reason,
            as_json=json_,
        )
    )
