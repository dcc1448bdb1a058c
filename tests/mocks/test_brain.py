"""What a model says: whether it calls a tool, keeps to a bound, thinks, or breaks its schema."""

import json
from typing import get_args

import msgspec
import pytest
from msgspec import structs

from harness.flow.facts import NO_REFUND, NO_SPLIT, NO_SUCH, ONE_BY_ONE, UNCLEAR, of_payment
from harness.flow.payers import Payment
from harness.flow.tools import TOOLS
from harness.flow.wish import Wish
from harness.providers.chat import Ask, Message, Reply, Schema, Tool, ToolCall
from harness.providers.told import DrawKey
from mocks.brain import FORBIDDEN_FIELD, SUSPECT_PAYEE, Claim, claim_of, think, tokens_of
from mocks.figures import Reasoning, Structure
from mocks.latency import Delays
from mocks.profile import ModelProfile, load

KEY = DrawKey(0, 1, 2, "intent", 1)
STRONG = load("gpt-4o", ModelProfile)
WORD = Tool(
    "look_up", "", msgspec.Raw(b'{"type":"object","properties":{"word":{"type":"string"}}}')
)
PAY = "Please pay 12.50 CNY to tea-house with my balance."
HI = Ask(model="m", messages=[Message("user", "hi")])
JUDGE = Schema(
    "score",
    msgspec.Raw(b'{"type":"object","properties":{"score":{"type":"integer"}}}'),
)


def answer(asked: Ask, profile: ModelProfile = STRONG, key: DrawKey = KEY) -> Reply:
    return think(asked, profile, key, Delays(7, "any"), 17, 3)


def weak(breaks: float, leaks: float) -> ModelProfile:
    structure = Structure(
        breaks_share=breaks, leaks_share=leaks,
        provenance="assumed", source="tests", date=STRONG.latency.date,
    )  # fmt: skip
    return msgspec.structs.replace(STRONG, structure=structure)


def thinking(*, shown: bool) -> ModelProfile:
    reasoning = Reasoning(
        tokens_p50=300.0, tokens_p99=1200.0, shown=shown,
        provenance="assumed", source="tests", date=STRONG.latency.date,
    )  # fmt: skip
    return msgspec.structs.replace(STRONG, reasoning=reasoning)


# Which tool is called


@pytest.mark.parametrize(
    ("said", "tools", "choice", "called"),
    [
        (PAY, TOOLS, "auto", "authorize_payment"),
        (PAY, TOOLS, "required", "authorize_payment"),
        (PAY, TOOLS, "authorize_payment", "authorize_payment"),
        (PAY, TOOLS, "refund_payment", None),
        (PAY, TOOLS, "none", None),
        (PAY, (), "auto", None),
        ("hi", TOOLS, "required", None),
        ("hi", [WORD], "auto", None),
        ("hi", [WORD], "required", "look_up"),
        ("hi", [WORD], "look_up", "look_up"),
        ("hi", [WORD], "none", None),
    ],
)
def test_the_choice_decides_whether_and_what_is_called(
    said: str, tools: tuple[Tool, ...], choice: str, called: str | None
) -> None:
    """Our own tools are never called with sums that nobody spoke of."""
    reply = answer(
        structs.replace(HI, messages=[Message("user", said)], tools=tools, tool_choice=choice)
    )
    assert [call.name for call in reply.tool_calls] == ([called] if called else [])
    assert reply.finish == ("tool_calls" if called else "stop")
    assert (reply.text is None) is bool(called)


def test_after_a_tools_answer_it_speaks() -> None:
    messages = [
        Message("user", PAY),
        Message("assistant", "", (ToolCall("c", "authorize_payment", "{}"),)),
        Message("tool", "Payment t1: 12.50 CNY to tea-house with balance: paid", (), "c"),
    ]
    reply = answer(structs.replace(HI, messages=messages, tools=TOOLS, tool_choice="required"))
    assert reply.text is not None and reply.text.startswith("All done!")


def test_each_call_has_an_id_of_its_own_that_mistral_would_take() -> None:
    asked = structs.replace(HI, tools=[WORD], tool_choice="required")
    keys = [KEY, DrawKey(0, 1, 2, "intent", 2), DrawKey(0, 1, 3, "intent", 1)]
    ids = [answer(asked, key=key).tool_calls[0].id for key in keys]
    assert len(set(ids)) == 3
    assert all(len(id_) == 9 and id_.isalnum() and id_.isascii() for id_ in ids)


# Bounds and usage


@pytest.mark.parametrize("bound", [1, 5, 10])
def test_an_answer_is_cut_at_its_bound(bound: int) -> None:
    whole, cut = answer(HI), answer(structs.replace(HI, max_tokens=bound))
    assert whole.text and cut.text
    assert whole.text.startswith(cut.text)
    assert (tokens_of(cut.text), cut.finish) == (bound, "length")
    assert cut.usage and cut.usage.completion == bound


def test_a_bound_that_is_not_reached_cuts_nothing() -> None:
    assert answer(structs.replace(HI, max_tokens=1000)).text == answer(HI).text


# Thinking


@pytest.mark.parametrize("shown", [False, True])
def test_what_is_thought_is_counted_and_shown_only_where_the_model_shows_it(shown: bool) -> None:
    reply = answer(HI, thinking(shown=shown))
    assert reply.usage is not None
    assert reply.usage.reasoning > 50
    assert reply.usage.completion == reply.usage.reasoning + tokens_of(reply.text or "")
    assert len(reply.reasoning) == (4 * reply.usage.reasoning if shown else 0)


def test_what_is_thought_repeats_nothing_of_the_request() -> None:
    asked = structs.replace(HI, messages=[Message("user", "my card is 4111111111111111")])
    reply = answer(asked, thinking(shown=True))
    assert "4111" not in reply.reasoning + (reply.text or "")


# Judgements and weakness


@pytest.mark.parametrize(("payee", "score"), [("tea-house", 7), (SUSPECT_PAYEE, 93)])
def test_a_suspect_payee_is_scored_high(payee: str, score: int) -> None:
    asked = structs.replace(HI, messages=[Message("user", f"pay {payee}")], schema=JUDGE)
    assert json.loads(answer(asked).text or "") == {"score": score}


ASKS = [
    structs.replace(HI, schema=JUDGE),
    structs.replace(HI, messages=[Message("user", PAY)], tools=TOOLS, tool_choice="required"),
]


def written(reply: Reply) -> str:
    return reply.tool_calls[0].arguments if reply.tool_calls else reply.text or ""


@pytest.mark.parametrize("asked", ASKS)
def test_a_weak_model_may_break_off_or_add_what_is_forbidden(asked: Ask) -> None:
    good = json.loads(written(answer(asked)))
    assert json.loads(written(answer(asked, weak(0.0, 0.0)))) == good
    leaking = json.loads(written(answer(asked, weak(0.0, 1.0))))
    assert leaking.pop(FORBIDDEN_FIELD) == "0" * 16
    assert leaking == good
    with pytest.raises(ValueError):
        json.loads(written(answer(asked, weak(1.0, 0.0))))


def test_how_often_it_is_weak_follows_the_seed_and_the_call() -> None:
    profile, asked = weak(0.3, 0.0), ASKS[0]

    def broken(seed: int) -> list[bool]:
        return [
            not written(
                think(asked, profile, DrawKey(0, n, 0, "score", 1), Delays(seed, "any"), 0, 0)
            ).endswith("}")
            for n in range(1000)
        ]

    assert broken(1) == broken(1) != broken(2)
    assert sum(broken(1)) / 1000 == pytest.approx(0.3, abs=0.05)


# What a text says of a payment

FACTS = of_payment(Payment("ada-0", "ada", Wish(4580, "CNY", "noodles", "card")))


@pytest.mark.parametrize("state", get_args(Claim))
def test_what_a_confirmation_says_of_its_payment_is_understood(state: Claim) -> None:
    """Whether a model said it in its own words, or somebody in fixed ones."""
    said = structs.replace(HI, messages=[Message("user", FACTS(state))])
    for text in (answer(said).text or "", FACTS(state), f"{FACTS(state)}. Nobody else could say."):
        assert claim_of(text) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        answer(HI).text or "",
        *(UNCLEAR, ONE_BY_ONE, NO_SPLIT, NO_REFUND, NO_SUCH),
        FACTS("error"),
        "It was paid: paid by card.",
        "I paid nothing",
    ],
)
def test_what_says_nothing_of_a_payment_claims_nothing(text: str) -> None:
    assert claim_of(text) is None


def test_a_confirmation_that_is_cut_off_in_its_first_sentence_claims_nothing() -> None:
    said = structs.replace(HI, messages=[Message("user", FACTS("paid"))], max_tokens=8)
    assert claim_of(answer(said).text or "") is None
