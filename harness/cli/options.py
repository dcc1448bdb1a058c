"""Options that several verbs share. They are text: problems.py checks them all together."""

from typing import Annotated

import typer

PAY, MODEL = "wechat-ai", "gpt-4o"
"""The profiles that play when none is named."""

Pay = Annotated[str, typer.Option(metavar="PROFILE", help="Payment profile or TOML file.")]
Intent = Annotated[str, typer.Option(metavar="PROFILE", help="Model that reads the wish.")]
Confirm = Annotated[str, typer.Option(metavar="PROFILE", help="Model that confirms.")]
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
