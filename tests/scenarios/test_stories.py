"""Every shipped story under every strategy: it is told to its end, and the books agree with it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MethodType

import pytest

from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.wiring import Setup, in_process_arms
from harness.clock import VirtualClock, run
from harness.flow.strategy import Strategy, all_strategies
from harness.in_process import InProcess
from harness.load.engine import Tally, round_schedule, run_round
from harness.load.health import examine
from harness.record import FlowRow, SpanRow, columns_of
from mocks.host import Host
from mocks.ledger import Entry
from scenarios import SCENARIOS

FOLDER = Path(__file__).parents[2] / "scenarios"
STRATEGIES = {strategy.name: strategy for strategy in all_strategies()}
TURNS = 24
ENDS = "baseline prewarm+token_cache+parallel_confirm"
"""The strategies that differ most, where a story's point holds under all of them alike."""


@dataclass
class Told:
    """A round of one story: what the client saw, and what stands in the books of each arm."""

    tally: Tally = field(default_factory=Tally)
    books: dict[str, dict[str, list[Entry]]] = field(default_factory=dict)

    @property
    def flows(self) -> list[FlowRow]:
        return self.tally.rows.flows

    def spans(self, stage: str) -> list[SpanRow]:
        return [span for span in self.tally.rows.spans if span.stage == stage]


@cache
def tell(scenario: str, turns: int = TURNS, **options: str) -> Told:
    sets = tuple(options.pop("sets", "").split()) if "sets" in options else ()
    names = options.pop("strategies", "").split() or list(STRATEGIES)
    chosen = Options(scenario=scenario, parameters=sets, **options)  # type: ignore[arg-type]
    setup = checked(chosen, Problems(), [STRATEGIES[name] for name in names], turns=turns)
    told = Told()
    run("virtual", _round(setup, told))
    return told


async def _round(setup: Setup, told: Told) -> None:
    clock = VirtualClock()
    arms = in_process_arms(setup, 0, clock)
    schedule = round_schedule(
        setup.seed, 0, arms, turns=setup.turns, turns_each=setup.scenario.turns, rate=setup.rate
    )
    await run_round(clock, arms, schedule, told.tally)
    for arm in arms:
        assert isinstance(arm.world.transport, InProcess)
        decide = arm.world.transport.decide
        assert isinstance(decide, MethodType) and isinstance(decide.__self__, Host)
        host = decide.__self__
        told.books[arm.name] = {name: list(mock.ledger) for name, mock in host.payments.items()}


def entries(books: Mapping[str, list[Entry]]) -> list[Entry]:
    return [entry for ledger in books.values() for entry in ledger]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_story_is_told_to_its_end_under_every_strategy(scenario: str) -> None:
    told = tell(scenario)
    health, reasons = examine(told.tally, columns_of(told.tally.rows), "virtual")
    assert reasons == []
    assert health.due == health.started == health.finished == 8 * TURNS
    assert {flow.variant for flow in told.flows} == set(STRATEGIES)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_users_were_told_is_what_the_books_say(scenario: str) -> None:
    told = tell(scenario)
    for variant, books in told.books.items():
        flows = [flow for flow in told.flows if flow.variant == variant]
        captured = [e for e in entries(books) if e.state in ("paid", "refunded")]
        if scenario != "split_bill":
            paid = [flow for flow in flows if flow.outcome == "paid"]
            assert len(captured) == len(paid)
            amounts = sorted(e.terms.amount_minor for e in captured if e.terms)
            assert amounts == sorted(flow.amount_minor for flow in paid)
        back = sum(flow.amount_minor for flow in flows if flow.outcome == "refunded")
        assert back == sum(e.refunded_minor for e in captured)
        fees = sum(flow.fee_minor for flow in flows)
        assert fees == sum(e.fee_minor for e in entries(books))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_strategies_meet_the_same_story(scenario: str) -> None:
    stories = defaultdict(list)
    for flow in sorted(tell(scenario).flows, key=lambda f: (f.conversation, f.turn)):
        stories[flow.variant].append((flow.conversation, flow.turn, flow.amount_minor, flow.method))
    assert len({tuple(story) for story in stories.values()}) == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_story_fits_on_a_page(scenario: str) -> None:
    assert len((FOLDER / f"{scenario}.py").read_text().splitlines()) < 60


def test_every_file_that_tells_a_story_is_shipped() -> None:
    others = {"__init__", "locustfile", "http_probe", "rules", "shop"}
    others |= {"agent_app", "agent_memory", "app_chat"}
    files = {path.stem for path in FOLDER.glob("*.py")} - others
    assert files == set(SCENARIOS)


# What each story is about


def test_legs_of_a_bill_add_up_to_it_and_are_all_paid_or_none() -> None:
    told = tell("split_bill", sets="broke_share=0.3", strategies=ENDS)
    for variant, books in told.books.items():
        bills: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        for entry in entries(books):
            assert entry.terms
            bills[entry.terms.bill, entry.terms.bill_minor].append(entry)
        ends = set()
        for (_, whole), legs in bills.items():
            assert sum(leg.terms.amount_minor for leg in legs if leg.terms) == whole
            states = {leg.state for leg in legs}
            assert states in ({"paid"}, {"voided", "declined"}, {"declined"})
            ends.add(states == {"paid"})
        assert ends == {True, False}, variant


def test_a_refund_is_reasoned_about_and_never_more_than_was_paid() -> None:
    told = tell("refund")
    refunds = [flow for flow in told.flows if flow.outcome == "refunded"]
    assert len(refunds) == len(told.spans("reason")) == len(told.spans("refund")) > 0
    for books in told.books.values():
        assert all(e.terms and e.refunded_minor <= e.terms.amount_minor for e in entries(books))


def test_tips_are_small_and_the_fee_eats_a_good_part_of_them() -> None:
    told = tell("tipping")
    assert all(100 <= flow.amount_minor < 1000 for flow in told.flows)
    assert {flow.fee_minor for flow in told.flows if flow.outcome == "paid"} == {10}


def test_whoever_switches_methods_makes_warm_sessions_worthless() -> None:
    told = tell("method_switch")
    wasted = {
        name: sum(flow.wasted_prewarms for flow in told.flows if flow.variant == name)
        for name in STRATEGIES
    }
    assert wasted["prewarm"] > 8
    assert all((waste > 0) == STRATEGIES[name].prewarm for name, waste in wasted.items())


def test_a_switch_between_providers_takes_each_ones_own_session() -> None:
    told = tell("method_switch", pay="wechat-ai+unionpay-ai", strategies=ENDS)
    for books in told.books.values():
        assert all(e.terms and e.terms.method == "balance" for e in books["wechat-ai"])
        assert all(books.values())


def test_routing_sends_small_sums_one_way_and_large_ones_the_other() -> None:
    told = tell("routed")
    for books in told.books.values():
        assert all(e.terms and e.terms.amount_minor < 5000 for e in books["flat"])
        assert all(e.terms and e.terms.amount_minor >= 5000 for e in books["wechat-ai"])
        assert all(books.values())


def test_a_wish_is_scored_beside_its_reading_and_a_suspect_one_is_never_sent() -> None:
    told = tell("fraud_checked", sets="suspect_share=0.3", strategies=ENDS)
    begun = {
        (span.variant, span.conversation, span.turn, span.attempt): span.start_s
        for span in told.spans("intent")
    }
    scores = [span for span in told.spans("score") if span.attempt == 1]
    assert len(scores) == len(told.flows)
    for span in scores:
        assert begun[span.variant, span.conversation, span.turn, 1] == span.start_s
    declined = [flow for flow in told.flows if flow.outcome == "declined"]
    assert len(declined) > 4
    for books in told.books.values():
        assert all(e.terms and e.terms.payee != "payee-suspect" for e in entries(books))


def test_an_outage_fails_turns_and_a_gateway_with_a_fallback_saves_them() -> None:
    sets = "down_from_s=2 down_for_s=20"
    down = tell("failover", gateway="none", sets=sets, turns=40, strategies="baseline")
    saved = tell("failover", sets=sets, turns=40, strategies="baseline")
    failed = [flow for flow in down.flows if flow.outcome == "error"]
    assert 5 < len(failed) < len(down.flows)
    assert {flow.outcome for flow in saved.flows} == {"paid"}
    assert STRATEGIES["baseline"] == Strategy()
