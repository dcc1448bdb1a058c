"""The verb `doctor`: which providers could be asked in reality, and what a run would send them; it
sends no request, and shows of the environment nothing but names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    STORIES,
    Confirm,
    Fallback,
    Gateway,
    Intent,
    Json,
    LiveWechatOrders,
    MostOrders,
    MostSpend,
    Pay,
    Reason,
    Score,
)

if TYPE_CHECKING:
    from harness.cli.examined import Examined


def doctor(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help=f"One of {STORIES}, or a .py file.")
    ] = "conversation",
    reach: Annotated[
        bool,
        typer.Option(
            "--reach", help="Connect to every host, and not only where credentials were found."
        ),
    ] = False,
    pay: Pay = None,
    intent: Intent = None,
    confirm: Confirm = None,
    reason: Reason = None,
    score: Score = None,
    gateway: Gateway = None,
    fallback: Fallback = None,
    live_wechat_orders: LiveWechatOrders = False,
    most_orders: MostOrders = None,
    most_spend_usd: MostSpend = None,
    json: Json = False,
) -> int:
    """Tell who could be asked in reality, and at what price.

    Of every provider: whether it would be mocked, a sandbox or real, the variables that were found
    or are missing (never what is in them), and whether its host can be reached: by a connection
    that is closed again, over which nothing is asked. And what `compare SCENARIO --targets real`
    would send. Exit code 0 whatever is found, 2 that the command was wrong.
    """
    from harness.cli.examined import examine
    from harness.cli.setup import Options
    from harness.cli.targets import Wanted

    options = Options(
        scenario=scenario,
        pay=pay,
        models={"intent": intent, "confirm": confirm, "reason": reason, "score": score},
        gateway=gateway,
        fallback=fallback,
    )
    wanted = Wanted(
        targets="real",
        live_wechat_orders=live_wechat_orders,
        most_orders=most_orders,
        most_spend_usd=most_spend_usd,
    )
    _print(examine(options, wanted, reach_all=reach), json)
    return 0


def _print(found: Examined, as_json: bool) -> None:
    if as_json:
        from harness.cli.printed import print_json

        print_json(found)
    else:
        from rich.console import Console

        from harness.cli.target_lines import print_examined

        print_examined(found, Console())
