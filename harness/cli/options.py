"""Options that several verbs share. They are text: problems.py checks them all together."""

from typing import Annotated

import typer

Pay = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE",
        help="Payment profile or TOML file; A+B for a scenario that routes between two.  "
        "[default: wechat-ai, or what the scenario is about]",
        show_default=False,
    ),
]
Intent = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE", help="Model that reads the wish.  [default: gpt-4o]", show_default=False
    ),
]
Confirm = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE", help="Model that confirms.  [default: gpt-4o]", show_default=False
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE",
        help="Model that reasons about refunds.  [default: claude-3-5-sonnet]",
        show_default=False,
    ),
]
Score = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE",
        help="Model that scores fraud.  [default: mistral-small]",
        show_default=False,
    ),
]
Gateway = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE", help="Gateway that all models are asked through, or none.", show_default=False
    ),
]
Fallback = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE",
        help="Model that the gateway turns to when one is down.",
        show_default=False,
    ),
]
Capacity = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Calls that each mocked server takes at once.", show_default=False
    ),
]
Seed = Annotated[str, typer.Option(metavar="N", help="The same seed draws the same weather.")]
Clock = Annotated[str, typer.Option(metavar="virtual|real", help="Jump over waits, or wait.")]
ThinkScale = Annotated[
    str | None,
    typer.Option(
        metavar="X",
        help="Multiplies think times and token lifetimes.  [default: 1, or 0.02 on the real clock]",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the scenario; repeatable."),
]
Out = Annotated[str, typer.Option(metavar="FOLDER", help="Where runs are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Port = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Port of the mocks, on the real clock.  [default: any free one]",
        show_default=False,
    ),
]
