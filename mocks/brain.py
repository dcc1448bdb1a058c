"""What a chat model says: wishes become tool calls, outcomes become prose, schemas are filled in.

It understands the sentences that scenarios write; asked for anything else, it keeps the schema or
asks back. A weak model breaks its schema now and then, as a seeded draw decides. It knows no wire
and no time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, get_args

import msgspec

from harness.providers.chat import Ask, Finish, Reply, Tool, ToolCall, Usage
from harness.providers.told import DrawKey
from mocks.example import Json, example
from mocks.figures import Reasoning
from mocks.latency import Delays
from mocks.profile import ModelProfile

CHARACTERS_A_TOKEN = 4
"""OpenAI's own rule of thumb for English."""

FORBIDDEN_FIELD = "card_number"
"""What a weak model may put into a tool call though no schema has it; no real number."""

SUSPECT_PAYEE = "payee-suspect"
"""Paying this payee is scored as fraud: how a scenario asks for a payment that is stopped."""

Claim = Literal["paid", "ordered", "declined", "reversed", "refunded", "unknown"]
"""How a payment stands, as a text may say it."""

_AMOUNT = r"(?P<amount>\d+\.\d{2}) (?P<currency>[A-Z]{3})"
_PAY = re.compile(rf"pay {_AMOUNT} to (?P<payee>[\w-]+) with my (?P<method>\w+)")
_REFUND = re.compile(rf"refund {_AMOUNT} of payment (?P<reference>\w+)")
_SPLIT = re.compile(
    rf"split {_AMOUNT} to (?P<payee>[\w-]+) between (?P<people>[\w, -]+) with our (?P<method>\w+)"
)
_QUERY = re.compile(r"payment (?P<reference>\w+) stand")
_WISHES = {
    "authorize_payment": _PAY,
    "refund_payment": _REFUND,
    "split_bill": _SPLIT,
    "query_payment": _QUERY,
}
_FACTS = re.compile(
    rf"Payment (?P<reference>\w+): {_AMOUNT} "
    r"to (?P<payee>[\w-]+) with (?P<method>\w+): (?P<state>\w+)"
)


def think(
    asked: Ask, profile: ModelProfile, key: DrawKey, delays: Delays, created: int, prompt: int
) -> Reply:
    """The answer to the last message; `prompt` is the tokens read, `created` the time to tell."""
    said = asked.messages[-1].text
    text, calls = _answer(asked, said, profile, key, delays)
    shown = tokens_of(text or "")
    for call in calls:
        shown += tokens_of(call.name + call.arguments)
    thinks = profile.reasoning
    reasoning = _reasoning(thinks, key, delays) if thinks else 0
    finish: Finish = "tool_calls" if calls else "stop"
    if asked.max_tokens is not None and shown > asked.max_tokens:
        text, calls, finish = (text or "")[: asked.max_tokens * CHARACTERS_A_TOKEN], (), "length"
        shown = asked.max_tokens
    return Reply(
        id=f"chatcmpl-{key.conversation}-{key.turn}-{key.stage}-{key.attempt}",
        model=asked.model,
        created=created,
        text=text,
        tool_calls=calls,
        finish=finish,
        usage=Usage(prompt, shown + reasoning, reasoning),
        reasoning=_thought(reasoning) if thinks and thinks.shown else "",
    )


def tokens_of(text: str) -> int:
    return -(-len(text) // CHARACTERS_A_TOKEN)


def tokens_of_all(texts: Iterable[str]) -> int:
    """Each of which ends its last token."""
    return sum([-(-len(text) // CHARACTERS_A_TOKEN) for text in texts])


def facts_in(said: str) -> Mapping[str, str] | None:
    """What was said of a payment: its reference, amount, currency, payee, method and state; None
    where it was not said as the agent says it."""
    found = _FACTS.search(said)
    return found.groupdict() if found else None


def claim_of(text: str) -> Claim | None:
    """What a confirmation says of its payment: one of this brain's own, or words that end in the
    state, as the agent's facts do: "...: paid." None where it says nothing of one."""
    for state, own in _CLAIMS.items():
        if own.search(text):
            return state
    return None


def _answer(
    asked: Ask, said: str, profile: ModelProfile, key: DrawKey, delays: Delays
) -> tuple[str | None, tuple[ToolCall, ...]]:
    tool, arguments = _called(asked, said)
    if tool is not None:
        written = _weakened(arguments, profile, key, delays)
        return None, (ToolCall(_call_id(key), tool.name, written),)
    if asked.schema is not None:
        filled = example(asked.schema.schema, _verdict(said))
        return _weakened(filled, profile, key, delays), ()
    facts = _FACTS.search(said)
    return _told(facts) if facts else _ASK_BACK, ()


def _called(asked: Ask, said: str) -> tuple[Tool | None, Json]:
    """The tool that the wish asks for, and its arguments; where a call is demanded of any wish, an
    example of what the tool takes."""
    choice, offered = asked.tool_choice, asked.tools
    if not offered or choice == "none" or asked.messages[-1].role == "tool":
        return None, None
    if choice not in ("auto", "required"):
        offered = [tool for tool in offered if tool.name == choice]
    for tool in offered:
        known = _WISHES.get(tool.name)
        wish = known.search(said) if known else None
        if wish is not None:
            return tool, _arguments(wish.groupdict(), said)
    if offered and choice != "auto" and not _ours(offered):
        return offered[0], example(offered[0].parameters, {})
    return None, None


def _ours(tools: Sequence[Tool]) -> bool:
    """Our own tools are called for wishes that are understood, and never with invented sums."""
    return any(tool.name in _WISHES for tool in tools)


def _arguments(wish: Mapping[str, str], said: str) -> Json:
    told: dict[str, Json] = {**wish, "wish": said}
    if "people" in wish:
        told["people"] = re.split(r",\s*|\s+and\s+", wish["people"].strip())
    return told


def _told(facts: re.Match[str]) -> str:
    """The prose of that state with these facts in it."""
    prose = _PARTS.get(facts["state"])
    if prose is None:
        return _ASK_BACK
    told = prose.copy()
    told[1::2] = facts.group(*prose[1::2])
    return "".join(told)


def _verdict(said: str) -> Mapping[str, Json]:
    """The fields of a judgement that what was said decides; the schema takes those it has."""
    suspect = SUSPECT_PAYEE in said
    return {
        "score": 93 if suspect else 7,
        "approve": True,
        "why": "The request is like many others." if not suspect else "The payee is suspect.",
    }


def _weakened(told: Json, profile: ModelProfile, key: DrawKey, delays: Delays) -> str:
    """The JSON as this model writes it: whole, cut off, or with a field that it must not have."""
    weak = profile.structure
    if weak is None:
        return msgspec.json.encode(told).decode()
    if isinstance(told, dict) and delays.luck(key, "leaks") < weak.leaks_share:
        told = {**told, FORBIDDEN_FIELD: "0" * 16}
    whole = msgspec.json.encode(told).decode()
    broken = delays.luck(key, "breaks") < weak.breaks_share
    return whole[: len(whole) * 2 // 3] if broken else whole


def _reasoning(of: Reasoning, key: DrawKey, delays: Delays) -> int:
    return round(delays.drawn_s(key, "reasoning", of.tokens_p50, of.tokens_p99))


def _thought(tokens: int) -> str:
    """So many tokens of a model that thinks aloud; it says nothing of the request."""
    length = tokens * CHARACTERS_A_TOKEN
    return (_THINKING * (1 + length // len(_THINKING)))[:length]


def _call_id(key: DrawKey) -> str:
    """One of its own for each call: nine letters and digits, as Mistral alone demands."""
    text = f"{key.round}.{key.conversation}.{key.turn}.{key.stage}.{key.attempt}"
    return blake2b(text.encode(), digest_size=6).hexdigest()[:9]


_THINKING = (
    "Let me see what is asked of me here. I go through it word by word, and then once more, to be "
    "sure that I miss nothing and add nothing. "
)
_ASK_BACK = "Whom shall I pay, how much, and by which method? Say it in one sentence, please."
_CLOSING = (
    "Keep the reference {reference} if you want to ask about this payment later: I can look it up, "
    "tell you where it stands, or start a refund for you. Would you like to do anything else now?"
)
_PROSE: dict[str, str] = {
    "paid": (
        "All done! Your payment of {amount} {currency} to {payee} went through with your {method}, "
        "and the merchant has been told, so there is nothing left for you to do. "
    )
    + _CLOSING,
    "ordered": (
        "Your order of {amount} {currency} to {payee} is made. Open your {method} and scan the "
        "code to pay it; until you have done so, no money has left your account, and none will. "
    )
    + _CLOSING,
    "declined": (
        "I am sorry, your payment of {amount} {currency} to {payee} with your {method} was "
        "declined, and no money has left your account. You could try another payment method. "
    )
    + _CLOSING,
    "reversed": (
        "I could not make sure of your payment of {amount} {currency} to {payee} with your "
        "{method}, so I took it back, and no money has left your account. You may try again. "
    )
    + _CLOSING,
    "refunded": (
        "Your payment of {amount} {currency} to {payee} with your {method} was given back, and "
        "the money is on its way to your account; it may take a moment until you can see it. "
    )
    + _CLOSING,
    "unknown": (
        "I do not know yet whether your payment of {amount} {currency} to {payee} with your "
        "{method} went through. Please do not pay again: I will tell you as soon as I know. "
    )
    + _CLOSING,
}
_PARTS = {state: re.split(r"\{(\w+)\}", prose) for state, prose in _PROSE.items()}
"""Text and the names of facts by turns: to join them is faster than to format."""


def _claim(state: Claim) -> re.Pattern[str]:
    """Its prose up to the first full stop, whatever payment it is of; or the state itself, behind a
    colon and at the end of a sentence."""
    first = re.split(r"\{\w+\}", _PROSE[state].partition(". ")[0])
    return re.compile(f"{'.{1,200}?'.join(map(re.escape, first))}|: {state}(?=\\.|\\s*$)")


_CLAIMS: dict[Claim, re.Pattern[str]] = {state: _claim(state) for state in get_args(Claim)}
