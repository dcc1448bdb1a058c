"""Who would be asked in reality and what it would be sent, as tables and lines for 80 columns: what
`tollbench doctor` found, and what a run is about to do. It finds nothing itself.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.estimate import Expected
from harness.cli.examined import Examined, Provider
from harness.cli.leftovers import left_lines
from harness.cli.reach import Reached
from harness.cli.targets import Real
from harness.real.caps import Caps, most_orders
from harness.record import RunSummary, TargetKind, TargetSummary

WECHATPAY = "wechatpay"
LIVE_WECHAT = (
    "WeChat Pay has no test system: orders of 0.01 CNY are made in production, their codes shown "
    "to nobody, and closed at once."
)
MOCK = TargetSummary(kind="mock")

STYLES: dict[TargetKind, str] = {"real": "bold", "sandbox": "green", "mock": "dim"}


def print_examined(found: Examined, console: Console) -> None:
    """Who could be asked, who was reached, what a run would send, and why it would be refused."""
    console.print(_providers(found.providers))
    reached = [of for of in found.providers if of.reached]
    if reached:
        console.print("Connections opened and closed again, nothing asked over them:")
        console.print(_reached(reached))
    console.print(
        f"tollbench compare {found.scenario} --targets real would play {found.turns:,} turns at "
        f"{found.rate:g}/s and send, about (and a mock in place of what is one here):"
    )
    console.print(_sent(found))
    _print_caps(found.caps, console)
    for problem in found.problems:
        console.print(Text(f"it would be refused: {problem}"))


def tell_plan(real: Real) -> None:
    """To a person: standard output is for what was found."""
    print_plan(real, Console(stderr=True))


def tell_left(summary: RunSummary, folder: Path) -> None:
    """What a person has to see to, or may wait for."""
    if summary.spent is not None:
        for line in left_lines(folder, summary.spent):
            print(f"tollbench: {line}", file=sys.stderr)


def tell_who(real: Real) -> None:
    """The same where nobody knows how many turns there will be."""
    console = Console(stderr=True)
    _print_who(real, console)
    _print_caps(real.caps, console)


def print_plan(real: Real, console: Console) -> None:
    """What a run is about to do, before it does it."""
    _print_who(real, console)
    console.print("It will send, about:")
    console.print(_plan(real.expected, {name: of.kind for name, of in real.targets.items()}))
    _print_caps(real.caps, console)


def _print_who(real: Real, console: Console) -> None:
    table = _table("provider", "as")
    table.add_column("because", overflow="fold")
    for name, of in real.targets.items():
        table.add_row(name, Text(of.kind, STYLES[of.kind]), of.why)
    console.print(table)
    if real.targets.get(WECHATPAY, MOCK).kind == "real":
        console.print(LIVE_WECHAT)


def _plan(expected: Sequence[Expected], kinds: Mapping[str, TargetKind]) -> Table:
    table = _table("provider", "as", right=("calls/turn", "calls", "calls/s", "orders", "USD"))
    for of in expected:
        table.add_row(
            of.provider,
            kinds[of.provider],
            f"{of.requests_per_turn}",
            f"{of.requests:,}",
            f"{of.per_s:.3g}",
            f"{of.orders:,}" if of.orders else "-",
            f"{of.usd:.3f}" if of.usd else "-",
        )
    return table


def _providers(providers: list[Provider]) -> Table:
    table = _table("provider", "as")
    table.add_column("host: variables found, or why it is mocked", overflow="fold")
    for of in providers:
        found = ", ".join(name for name in of.found if name not in of.note)
        told = "; ".join(part for part in (found, of.note) if part)
        told = f"{of.host}: {told}" if of.host else told
        kind = Text("refused", "red") if of.refused else Text(of.kind, STYLES[of.kind])
        table.add_row(of.name, kind, told)
    return table


def _reached(providers: list[Provider]) -> Table:
    table = _table("provider", "host", right=("DNS ms", "TCP ms", "TLS ms"))
    table.add_column("")
    for of in providers:
        assert of.reached is not None
        table.add_row(of.name, of.host, *_times(of.reached), of.reached.fault)
    return table


def _sent(found: Examined) -> Table:
    expected = [
        Expected(
            provider=of.provider,
            requests_per_turn=of.calls_a_turn,
            requests=of.calls,
            per_s=of.calls_per_s,
            orders=of.orders,
            usd=of.usd,
        )
        for of in found.sent
    ]
    return _plan(expected, {of.provider: of.kind for of in found.sent})


def _print_caps(caps: Caps, console: Console) -> None:
    wechat = most_orders(caps, WECHATPAY)
    told = (
        f"At most, whatever happens: {caps.spend_usd:g} USD for tokens, {caps.orders:,} orders "
        f"(each of the least amount) and {caps.requests:,} requests at each provider, {wechat} "
        "orders at WeChat Pay."
    )
    console.print(Text(told))


def _times(reached: Reached) -> Iterator[str]:
    for ms in (reached.dns_ms, reached.tcp_ms, reached.tls_ms):
        yield "-" if ms is None else f"{ms:.1f}"


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(column, no_wrap=True)
    for column in right:
        table.add_column(column, justify="right")
    return table
