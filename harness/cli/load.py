"""The verb `load`: one strategy, or one URL, at an open-model rate."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Clock, Confirm, Intent, Json, Out, Pay, Seed, Set, ThinkScale


def load(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help='A scenario, or "http" to probe --url.')
    ],
    rate: Annotated[str, typer.Option(metavar="R", help="Turns per second.")],
    duration: Annotated[str, typer.Option(metavar="S", help="Seconds of arrivals.")],
    strategy: Annotated[
        str, typer.Option(metavar="LIST", help="The mitigations that are on.")
    ] = "baseline",
    url: Annotated[str | None, typer.Option(metavar="URL", help='What "http" probes.')] = None,
    seed: Seed = "1",
    clock: Clock = "real",
    pay: Pay = "wechat-ai",
    intent: Intent = "gpt-4o",
    confirm: Confirm = "gpt-4o",
    think_scale: ThinkScale = None,
    set_: Set = None,
    out: Out = "results",
    json: Json = False,
) -> int:
    """Run one strategy, or probe one URL; turns arrive at their rate whatever the answers do."""
    return 0
