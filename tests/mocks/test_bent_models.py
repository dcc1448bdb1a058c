"""Models that go wrong, on every wire: what they say, and that no payment provider hears of it."""

import json
import re
from dataclasses import dataclass

import msgspec
import pytest
from msgspec import structs

from harness.clock import VirtualClock, run
from harness.faults import MONEY_STAGES, Fault, Placed, Script
from harness.flow.agent import Agent, Cast
from harness.flow.facts import of_payment
from harness.flow.flow import Chat, World
from harness.flow.inbox import Inbox
from harness.flow.model import Models, Voice
from harness.flow.payers import Payment
from harness.flow.strategy import all_strategies
from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import RefundWish, Wish
from harness.in_process import InProcess
from harness.providers import GATEWAYS
from harness.providers import MODELS as WIRES
from harness.providers.chat import Ask, Message, ModelWire, Reply, Schema
from harness.providers.told import DrawKey
from harness.record import Outcome
from mocks.brain import claim_of
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile, load, names
from tests.mocks.struck import PAYERS
from tests.mocks.visit import SEED, Visit, visit

MODELS = {
    "openai": "gpt-4o",
    "anthropic": "claude-3-5-haiku",
    "gemini": "gemini-2-5-flash",
    "deepseek": "deepseek-v3",
    "qwen": "qwen-plus",
    "mistral": "mistral-small",
}
CONFIG = MockConfig(
    seed=SEED,
    pay={name: load(name, PaymentProfile) for name in ("wechat-ai", "flat")},
    models={name: load(name, ModelProfile) for name in MODELS.values()},
    gateways={name: load(name, GatewayProfile) for name in names(GatewayProfile)},
)
AT = endpoints(IN_PROCESS_URL, CONFIG)
WISH = Wish(4580, "CNY", "noodles", "balance")
FACTS = of_payment(Payment("ada-0", "ada", WISH))
JUDGE = Schema(
    "score",
    msgspec.Raw(
        b'{"type":"object","properties":{"score":{"type":"integer"},"why":{"type":"string"}},'
        b'"required":["score","why"],"additionalProperties":false}'
    ),
)
MISREAD: tuple[Fault, ...] = ("repeats", "amounts", "units", "malformed")
"""What can become of a wish."""
EVERY_WIRE = pytest.mark.parametrize("wire", WIRES.values(), ids=lambda of: of.NAME)


def named(wire: ModelWire) -> str:
    """What this wire's first model goes by; behind a gateway it is OpenAI's."""
    gateway = GATEWAYS.get(wire.NAME)
    return gateway.name_of("openai", "gpt-4o") if gateway else MODELS[wire.NAME]


def wished(wire: ModelWire, wish: Wish = WISH) -> Ask:
    said = [Message("user", wish.said())]
    return Ask(model=named(wire), messages=said, tools=TOOLS, tool_choice="required")


def told(wire: ModelWire, outcome: Outcome = "paid") -> Ask:
    said = [Message("user", FACTS(outcome))]
    return Ask(model=named(wire), messages=said, stream=True, include_usage=True)


def judged(wire: ModelWire) -> Ask:
    return Ask(model=named(wire), messages=[Message("user", WISH.said())], schema=JUDGE)


def say(
    wire: ModelWire, asked: Ask, *faults: Fault, stage: str = "intent", conversation: int = 0
) -> Reply:
    """What the client reads of the answer to a call that all of these strike."""
    config = structs.replace(CONFIG, faults=dict.fromkeys(faults, 1.0))
    key = DrawKey(0, conversation, 0, stage, 1)

    async def main(visitor: Visit) -> Reply:
        answered = await visitor.ask(wire.chat(AT[wire.NAME], asked), key)
        assert [fault for fault, _ in visitor.host.setting.struck] == list(faults)
        return answered.value

    return visit(main, config)


def amounts(reply: Reply) -> list[int]:
    texts = [json.loads(call.arguments)["amount"] for call in reply.tool_calls]
    assert all(re.fullmatch(r"\d+\.\d\d", text) for text in texts)
    return [round(float(text) * 100) for text in texts]


# What is said


@EVERY_WIRE
def test_a_model_calls_its_function_twice_by_two_ids(wire: ModelWire) -> None:
    reply = say(wire, wished(wire), "repeats")
    first, second = reply.tool_calls
    assert (first.name, first.arguments) == (second.name, second.arguments)
    assert first.id != second.id


@EVERY_WIRE
def test_a_model_invents_a_sum_and_keeps_all_else(wire: ModelWire) -> None:
    for conversation in range(5):
        reply = say(wire, wished(wire), "amounts", conversation=conversation)
        (wrong,), (call,) = amounts(reply), reply.tool_calls
        assert wrong > 0
        assert wrong != WISH.amount_minor
        told = json.loads(call.arguments)
        assert (told["currency"], told["payee"], told["method"]) == ("CNY", "noodles", "balance")


@EVERY_WIRE
def test_a_model_takes_one_unit_for_the_other_either_way(wire: ModelWire) -> None:
    said = [amounts(say(wire, wished(wire), "units", conversation=n))[0] for n in range(8)]
    assert set(said) == {458_000, 45}


def test_no_sum_is_taken_for_less_than_the_least() -> None:
    wire = WIRES["openai"]
    least = wished(wire, Wish(45, "CNY", "noodles", "balance"))
    assert {amounts(say(wire, least, "units", conversation=n))[0] for n in range(8)} == {4500}


@EVERY_WIRE
def test_arguments_and_judgements_end_too_soon(wire: ModelWire) -> None:
    """Of arguments that are no JSON some wires show none, or not even the call."""
    for call in say(wire, wished(wire), "malformed").tool_calls:
        with pytest.raises(ValueError, match="broke the schema"):
            read_wish(call)
    text = say(wire, judged(wire), "malformed", stage="score").text or ""
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert (say(wire, judged(wire), stage="score").text or "").startswith(text)


@EVERY_WIRE
@pytest.mark.parametrize("outcome", ["paid", "declined"])
def test_a_confirmation_calls_for_the_payment_that_it_tells_of(
    wire: ModelWire, outcome: Outcome
) -> None:
    """Beside its text, which is the usual one."""
    reply = say(wire, told(wire, outcome), "after-cancel", stage="confirm")
    (call,) = reply.tool_calls
    assert (call.name, amounts(reply)) == ("authorize_payment", [WISH.amount_minor])
    assert reply.finish == "tool_calls"
    assert reply.text == say(wire, told(wire, outcome), stage="confirm").text
    assert claim_of(reply.text or "") == outcome


def test_faults_come_together() -> None:
    wire = WIRES["openai"]
    reply = say(wire, wished(wire), "repeats", "units")
    assert amounts(reply) in ([458_000] * 2, [45] * 2)


def test_what_is_not_there_cannot_go_wrong() -> None:
    """A reply without a call has no sum, and a text without a schema is no JSON."""
    config = structs.replace(CONFIG, faults=dict.fromkeys((*MISREAD, "after-cancel"), 1.0))
    wire = WIRES["openai"]
    hi = Ask(model="gpt-4o", messages=[Message("user", "hi")])

    async def main(visitor: Visit) -> None:
        for stage in ("intent", "reason", "score", "confirm"):
            await visitor.ask(wire.chat(AT["openai"], hi), DrawKey(0, 0, 0, stage, 1))
        assert not visitor.host.setting.struck

    visit(main, config)


def test_more_said_takes_more_tokens_and_longer() -> None:
    wire = WIRES["openai"]
    usual, twice = say(wire, wished(wire)), say(wire, wished(wire), "repeats")
    assert usual.usage
    assert twice.usage
    assert twice.usage.completion == 2 * usual.usage.completion


# What comes of it


@dataclass(frozen=True, slots=True)
class Played:
    """A payment and its refund: the outcomes of the turns, and the texts that the user saw."""

    host: Host
    receipts: int
    outcomes: list[str]
    texts: list[str]


def played(*placed: Placed, provider: str = "openai", strategy: int = 0) -> Played:
    async def main() -> Played:
        clock = VirtualClock()
        host = Host(clock, CONFIG, faults=Script(placed))
        wire = WIRES[provider]
        voice = Voice(wire, AT[provider], named(wire))
        payers = [PAYERS[lane](AT[lane], Inbox("http://app")) for lane in CONFIG.pay]
        cast = Cast(Models(voice, voice, voice, voice), payers, list(CONFIG.pay))
        chat = Chat(World(clock, InProcess(host.decide, clock), 1, 0, True), 0, "ada", 2, 0.0)
        agent = Agent(cast, all_strategies()[strategy], "ada", "balance")
        texts = [await agent.pay(chat, WISH, most_score=80)]
        if agent.receipts and agent.receipts[0].outcome == "paid":
            back = RefundWish(4580, "CNY", agent.receipts[0].reference, "It was cold.")
            texts.append(await agent.refund(chat, back))
        for flow in chat.flows:
            await flow.join()
        outcomes: list[str] = [flow.outcome for flow in chat.flows]
        return Played(host, len(agent.receipts), outcomes, texts)

    return run("virtual", main())


def paid_calls(host: Host) -> list[tuple[str, str]]:
    """Stage and path of all calls that any payment provider got, as the journal has them."""
    return [
        (served.key.stage, served.path)
        for served in host.setting.journal
        if served.provider in PAYERS
    ]


def sums(host: Host) -> list[int]:
    return [
        entry.terms.amount_minor
        for payments in host.payments.values()
        for entry in payments.ledger
        if entry.terms
    ]


@pytest.mark.parametrize("provider", WIRES)
@pytest.mark.parametrize("fault", MISREAD)
def test_a_wish_that_is_misread_once_is_asked_for_again_and_paid_as_it_is(
    fault: Fault, provider: str
) -> None:
    got = played(Placed(0, "intent", fault), provider=provider)
    assert (got.outcomes, sums(got.host)) == (["paid", "refunded"], [WISH.amount_minor])
    assert len(got.host.setting.struck) == 1


@pytest.mark.parametrize("strategy", range(8))
@pytest.mark.parametrize("fault", MISREAD)
def test_a_wish_that_stays_misread_reaches_no_provider_as_a_payment(
    fault: Fault, strategy: int
) -> None:
    got = played(Placed(0, "intent", fault, lasts=1000), strategy=strategy)
    assert (got.outcomes, got.receipts, sums(got.host)) == (["error"], 0, [])
    assert not {stage for stage, _ in paid_calls(got.host)} & set(MONEY_STAGES)


@pytest.mark.parametrize("lasts", [1, 1000])
def test_no_reason_is_taken_from_json_that_ends_too_soon(lasts: int) -> None:
    got = played(Placed(1, "reason", "malformed", lasts=lasts))
    assert got.outcomes == ["paid", "refunded" if lasts == 1 else "error"]
    refunded = [bool(entry.refunds) for entry in got.host.payments["wechat-ai"].ledger]
    assert refunded == [lasts == 1]


@pytest.mark.parametrize("lasts", [1, 1000])
def test_no_score_is_taken_from_json_that_ends_too_soon(lasts: int) -> None:
    got = played(Placed(0, "score", "malformed", lasts=lasts))
    assert got.outcomes == (["paid", "refunded"] if lasts == 1 else ["error"])
    assert sums(got.host) == ([WISH.amount_minor] if lasts == 1 else [])


@pytest.mark.parametrize("strategy", range(8))
def test_a_confirmation_that_calls_for_a_payment_gets_none(strategy: int) -> None:
    placed = [Placed(turn, "confirm", "after-cancel", lasts=9) for turn in range(2)]
    got, usual = played(*placed, strategy=strategy), played(strategy=strategy)
    assert (got.outcomes, got.texts) == (["paid", "refunded"], usual.texts)
    assert paid_calls(got.host) == paid_calls(usual.host)
    assert sums(got.host) == [WISH.amount_minor]
    assert len(got.host.setting.struck) == 2
