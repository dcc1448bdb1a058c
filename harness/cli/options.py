"""Options that several verbs share. They are text: problems.py checks them all together."""

from typing import Annotated, Any

import typer

# Written out: to ask the scenarios for their names would make --help wait for all they import.
STORIES = (
    "checkout, conversation, refund, split_bill, tipping, method_switch, routed, fraud_checked, "
    "failover"
)


def _profile(what: str) -> Any:  # typer's own type of an option's description
    return typer.Option(metavar="PROFILE", help=what, show_default=False)


Pay = Annotated[
    str | None,
    _profile(
        "Payment profile or TOML file; A+B for a scenario that routes between two.  "
        "[default: wechat-ai, or what the scenario is about]"
    ),
]
Intent = Annotated[str | None, _profile("Model that reads the wish.  [default: gpt-4o]")]
Confirm = Annotated[str | None, _profile("Model that confirms.  [default: gpt-4o]")]
Reason = Annotated[
    str | None, _profile("Model that reasons about refunds.  [default: claude-3-5-sonnet]")
]
Score = Annotated[str | None, _profile("Model that scores fraud.  [default: mistral-small]")]
Gateway = Annotated[str | None, _profile("Gateway that all models are asked through, or none.")]
Fallback = Annotated[str | None, _profile("Model that the gateway turns to when one is down.")]
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
Faults = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="What goes wrong at the mocks, and the share of calls it strikes: "
        "timeouts=1%,reset=0.5%.  [default: nothing]",
        show_default=False,
    ),
]
Retries = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="How often the agent sends a failed call again.  [default: 2 with faults, else 0]",
        show_default=False,
    ),
]
Patience = Annotated[
    str | None,
    typer.Option(
        metavar="S",
        help="Seconds after which the agent gives a call up.  [default: 30]",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the scenario; repeatable."),
]
Targets = Annotated[
    str,
    typer.Option(
        metavar="mock|real",
        help="Whom to ask. Real: those whose credentials are in the environment, with orders of "
        "the least amount in test systems; the others stay mocks.",
    ),
]
LiveWechatOrders = Annotated[
    bool,
    typer.Option(
        "--live-wechat-orders",
        help="WeChat Pay has no test system: let up to 20 orders of 0.01 CNY be made in "
        "production, which nobody can pay, and closed.",
    ),
]
MostOrders = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Orders at each real payment provider, at most.  [default: 200]",
        show_default=False,
    ),
]
MostSpend = Annotated[
    str | None,
    typer.Option(
        "--most-spend-usd",
        metavar="USD",
        help="For tokens of real models, at most.  [default: 1]",
        show_default=False,
    ),
]
Out = Annotated[str, typer.Option(metavar="FOLDER", help="Where runs are kept.")]
Otlp = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Send the run's spans there when it is over, by OTLP over HTTP.",
        show_default=False,
    ),
]
Report = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Draw the charts and the page, or only measure."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Port = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Port of the mocks, on the real clock.  [default: any free one]",
        show_default=False,
    ),
]
