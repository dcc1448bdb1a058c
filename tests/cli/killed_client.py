"""An app that pays by every wire at mocks that are served elsewhere, in a process that can be
killed: `python -m tests.cli.killed_client BASE SEED TURNS FAULTS OUT`. It asserts nothing.

Each wire has a world of its own. At the end it writes what its beliefs come to against the books,
one line of JSON a wire.
"""

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.ways import socket_way
from harness.cli.wiring import Setup, socket_arms
from harness.clock import RealClock, run
from harness.flow.strategy import Strategy
from harness.load.books import judged
from harness.load.engine import Tally, round_schedule, run_round
from harness.record.reconciliation import ReconciliationSummary
from mocks.host import PAYMENTS

LANES = sorted(PAYMENTS)
RATE = 20.0


class Came(msgspec.Struct):
    """What came of one wire."""

    lane: str
    captured: int
    """Orders that stand captured."""
    twice: int
    """Turns under which more than one order stands captured."""
    open: int
    turns: int
    failed: int
    books: ReconciliationSummary


def main() -> None:
    base_url, seed, turns, faults, out = sys.argv[1:]
    # Calls are tried again for longer than a restart takes, as an app would be configured.
    options = Options(
        clock="real", seed=seed, rate=str(RATE), faults=faults or None, retries="8",
        patience="2",
        think_scale="0.002",
        models={"intent": "gpt-4o.toml", "confirm": "gpt-4o.toml"},
    )  # fmt: skip
    pays = [f"{lane}.toml" for lane in LANES]
    setup = checked(options, Problems(), [Strategy()], pays=pays, turns=int(turns))
    came = run("real", _played(setup, base_url))
    Path(out).write_bytes(b"".join(msgspec.json.encode(of) + b"\n" for of in came))


async def _played(setup: Setup, base_url: str) -> list[Came]:
    clock = RealClock()
    async with AsyncExitStack() as stack:
        ways = [
            await stack.enter_async_context(socket_way(setup, f"{base_url}/~{lane}"))
            for lane in LANES
        ]
        arms = socket_arms(setup, 0, clock, ways)
        came = []
        schedule = round_schedule(
            setup.seed, 0, arms, turns=setup.turns, turns_each=setup.scenario.turns, rate=RATE
        )
        tally = Tally()
        await run_round(clock, arms, schedule, tally)
        for lane, arm in zip(LANES, arms, strict=True):
            assert arm.books is not None
            accounts = await arm.books() or []
            orders = [order for account in accounts for order in account.orders]
            paid = [order.intent for order in orders if order.state in ("paid", "refunded")]
            flows = [row for row in tally.rows.flows if row.variant == lane]
            came.append(
                Came(
                    lane,
                    len(paid),
                    len(paid) - len({*paid}),
                    sum(order.state == "open" for order in orders),
                    len(flows),
                    sum(row.outcome == "error" for row in flows),
                    judged(arm, accounts),
                )
            )
        return came


if __name__ == "__main__":
    main()
