"""Row 5: payments a second that a mock with full crypto and a ledger takes on one core."""

import sys
from functools import partial
from pathlib import Path

import httpx
import msgspec

from tests.benchmarks.peers import mock_servers
from tests.benchmarks.peers.load import Lengths
from tests.benchmarks.peers.pay_client import HELD_UP_S, Asked, Paid
from tests.benchmarks.peers.plan import OURS, Entrant, Measured, Plan
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.results import Figure
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.tools import ROOT

TARGET = 800
RATE = 820
"""Asked for, so that the target is not missed by the payments that a window's edges cut."""

PROVIDER = "wechat-ai"

NOBODY = "has no sessions, no sealed orders and no ledger"


def plan(lengths: Lengths) -> Plan:
    return Plan(
        number=5,
        title="A payment mock with full crypto and ledger, one core",
        setting=(
            f"{RATE} payments/s fall due for {lengths.pay_s:g} s, whatever the answers do, of "
            f"which the first {lengths.warm_s:g} do not count; each a session and an authorization "
            "sealed with RSA-2048, so two calls. Error is what a call took beyond its told delay. "
            "Afterwards the ledger must hold exactly the orders that were answered as paid."
        ),
        figures=[
            Figure(
                key="paid_per_s", label="payments/s", better="more", target=TARGET, digits=0,
                gate=True,
            ),
            Figure(key="calls_per_s", label="calls/s", digits=0),
            Figure(key="p50_ms", label="error p50 ms", better="less"),
            Figure(key="p99_ms", label="p99 ms", better="less", target=20.0),
            Figure(key="min_ms", label="least ms", better="more", target=0.0, digits=3),
            Figure(key="ledger", label="ledger exact", yes=True),
            Figure(key="client_lag_p99_ms", label="client lag p99"),
        ],
        entrants=[Entrant(OURS, partial(_measured, lengths))],
        absent=dict.fromkeys(("mountebank", "Mockoon CLI", "WireMock"), NOBODY),
    )  # fmt: skip


def _measured(lengths: Lengths, _: Path) -> Measured:
    with mock_servers.tollbench() as addresses:
        provider = addresses.providers[PROVIDER]
        asked = Asked(provider.url, provider.key, RATE, lengths.pay_s, lengths.warm_s)
        module = "tests.benchmarks.peers.pay_client"
        command = [sys.executable, "-m", module, msgspec.json.encode(asked).decode()]
        done = run(command, GENERATOR, lengths.pay_s + HELD_UP_S + 60, ROOT)
        try:
            told = msgspec.json.decode(done.out, type=Paid)
        except msgspec.DecodeError:
            raise NoFigures(done.last_words) from None
        booked = _paid_orders(addresses.base_url)
    exact = booked == told.paid and not told.failed
    trouble = f"{told.paid} answered as paid, {booked} in the ledger, {told.failed} failed"
    return Measured({"": told.sample | {"ledger": float(exact)}}, "" if exact else trouble)


def _paid_orders(base_url: str) -> int:
    with httpx.Client(trust_env=False, timeout=30.0) as client:
        ledger = client.get(f"{base_url}/_ledger", params={"provider": PROVIDER})
    orders = ledger.json()[PROVIDER]
    return sum(order["state"] == "paid" for order in orders)
