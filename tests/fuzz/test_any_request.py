"""Whatever is asked of a provider, it answers as a provider would: in time, with no error of its
own, and its books change by nothing that it refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from harness.cli.problems import Problems
from harness.cli.served import chosen
from harness.clock import VirtualClock, run
from harness.flow.inbox import Inbox
from harness.providers import GATEWAYS, MODELS
from mocks.host import PAYMENTS, Host, MockConfig
from mocks.ledger import Entry
from tests.fuzz.asked import Asked, model_calls, payment_calls, spoiled

LONGEST_S = 3600.0
"""Of the virtual clock. A model may think for minutes."""

UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no server sends in a header's value: it would break the answer off."""

EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@cache
def _config() -> MockConfig:
    """Everything shipped, with servers that have room for everyone."""
    mocks = chosen(Problems(), "1", [], []).mocks
    return structs.replace(
        mocks,
        pay={name: structs.replace(each, limits=None) for name, each in mocks.pay.items()},
        models={name: structs.replace(each, limits=None) for name, each in mocks.models.items()},
        gateways={n: structs.replace(each, limits=None) for n, each in mocks.gateways.items()},
    )


@cache
def _calls(provider: str) -> list[Asked]:
    if provider in PAYMENTS:
        return payment_calls(provider, _config())
    models = [name for name, of in _config().models.items() if of.provider == provider]
    model = "openai/gpt-4o" if provider in GATEWAYS else models[-1]
    return model_calls(provider, model, _config())


Books = dict[tuple[str, str], Entry]
"""By provider and order number, as they stood at one time."""


@dataclass
class House:
    host: Host = field(default_factory=lambda: Host(VirtualClock(), _config(), Inbox("http://app")))

    def books(self) -> Books:
        return {
            (name, entry.order_no): replace(entry, refunds=dict(entry.refunds))
            for name, payment in self.host.payments.items()
            for entry in payment.ledger
        }

    async def ask(self, asked: Asked) -> httpx.Response:
        try:
            request = asked.request()
        except httpx.InvalidURL:
            return httpx.Response(400)  # As the server answers it.
        answer = await self.host(request)
        await answer.aread()
        return answer


def _check(before: Books, after: Books, asked: Asked, answer: httpx.Response) -> None:
    assert answer.status_code < 500, (asked, answer.text)
    for name, value in answer.headers.raw:
        assert not UNSENDABLE.search(value), (asked, name)
    if answer.status_code >= 300:
        assert _money(after) == _money(before), (asked, answer.text)
    if 400 <= answer.status_code < 500 and answer.status_code != 402:
        # A decline, which a 402 is, may be booked as one; any other refusal leaves no trace.
        assert after == before, (asked, answer.text)
    for order, entry in before.items():
        assert _follows(entry, after[order]), (asked, answer.text)


def _money(books: Books) -> Books:
    return {order: of for order, of in books.items() if of.state not in ("declined", "open")}


def _follows(before: Entry, after: Entry) -> bool:
    """Whether an order can come to stand so: its terms stay, what is over stays over, and no more
    is given back than was paid."""
    given_back = before.refunded_minor <= after.refunded_minor
    bounded = after.terms is None or after.refunded_minor <= after.terms.amount_minor
    over = before.state not in ("voided", "refunded") or after.state == before.state
    return before.terms == after.terms and given_back and bounded and over


def _met(first: Sequence[Asked], then: Sequence[Asked]) -> None:
    """All that is good is asked first, for something to be spoiled."""

    async def main() -> None:
        house = House()
        for asked in first:
            await house.ask(asked)
        for asked in then:
            before = house.books()
            answer = await house.ask(asked)
            _check(before, house.books(), asked, answer)
        assert VirtualClock().now() < LONGEST_S * (len(first) + len(then))

    run("virtual", main())


@pytest.mark.parametrize("provider", [*PAYMENTS, *MODELS])
def test_what_our_own_clients_ask_is_answered(provider: str) -> None:
    calls = _calls(provider)

    async def main() -> list[int]:
        house = House()
        return [(await house.ask(asked)).status_code for asked in calls]

    assert max(run("virtual", main())) < 300


@pytest.mark.parametrize("provider", [*PAYMENTS, *MODELS])
@EXAMPLES
@given(data=st.data())
def test_a_spoiled_request_is_refused_or_answered_and_moves_no_money(
    provider: str, data: st.DataObject
) -> None:
    calls = _calls(provider)
    at = data.draw(st.integers(0, len(calls) - 1))
    bad = data.draw(st.lists(spoiled(calls[at]), min_size=1, max_size=3))
    _met(calls[:at], bad)


@pytest.mark.parametrize("provider", PAYMENTS)
@EXAMPLES
@given(data=st.data())
def test_a_request_is_answered_at_any_time(provider: str, data: st.DataObject) -> None:
    """Good ones in any order, twice, or without those that come before."""
    calls = data.draw(st.lists(st.sampled_from(_calls(provider)), min_size=1, max_size=6))
    _met([], calls)
