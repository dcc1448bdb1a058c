"""Every payer that has a real counterpart gets through, with mocks in place of the internet."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payer, Payment, Refund, sessionless
from harness.flow.payers.alipay_orders import AlipayOrdersV2, AlipayOrdersV3
from harness.flow.payers.prudent import Prudent
from harness.flow.payers.stripe import Stripe
from harness.flow.payers.unionpay import Unionpay
from harness.flow.payers.wechatpay import Wechatpay
from harness.flow.wish import Wish
from harness.providers.call import Endpoint
from harness.real.caps import least_minor
from tests.real.mocked import found_of, hosts_of
from tests.real.sample import Bench

PAYERS: dict[str, tuple[Callable[[Endpoint], Payer], str]] = {
    "stripe": (Stripe, "created"),
    "alipay-ai": (AlipayOrdersV2, "closed"),
    "alipay-v3": (AlipayOrdersV3, "closed"),
    "wechatpay": (Wechatpay, "closed"),
    "unionpay": (Unionpay, "created"),
}
"""And how the journal has an order of theirs when its turn is over."""
SESSION = sessionless("card")


@pytest.mark.parametrize("provider", PAYERS)
def test_an_order_is_made_looked_at_and_undone(provider: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = VirtualClock()
        found = found_of(provider)
        bench = Bench(tmp_path, hosts_of(provider, clock), found)
        make, ends = PAYERS[provider]
        payer = Prudent(make(found.endpoint), "trun1", least_minor(provider))
        payment = Payment("r1c2-0", "ada", Wish(4580, "CNY", "noodles", "card"))
        flow = Flow(World(clock, bench.safe, 1, 0, False), 0, 0, clock.now(), clock.now())
        settled = await payer.authorize(flow, SESSION, payment)
        assert settled != "stale"
        assert settled.outcome == payer.good_end
        await flow.join()
        [entry] = bench.journal.entries.values()
        assert (entry.state, entry.provider) == (ends, provider)
        assert entry.amount_minor == least_minor(provider)["CNY"]
        await payer.query(flow, SESSION, payment)
        await payer.refund(flow, SESSION, payment, Refund("r1c2-0-r", 100))
        assert await payer.void(flow, SESSION, payment)
        await flow.join()
        assert bench.meter.orders == {provider: 1}

    run("virtual", main())
