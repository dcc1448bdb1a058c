"""A model that goes wrong: its reply is bent once it is thought. No wire, no time, no delay.

    repeats        the same function is called twice in one answer
    amounts        another sum than the user's is asked for
    units          yuan are taken for fen, or fen for yuan: a hundred times as much, or a hundredth
    malformed      the arguments, or the JSON that a schema asked for, end too soon
    after-cancel   a confirmation calls for the payment that it tells of

Where a reply has nothing that could be bent so, the fault does not strike.
"""

import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b

import msgspec
from msgspec import structs

from harness.faults import Fault
from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Reply, ToolCall
from harness.providers.told import DrawKey
from mocks.brain import facts_in, tokens_of
from mocks.setting import Setting

Luck = Callable[[str], float]
"""A draw between 0 and 1 for each question."""

KEPT = 2 / 3
"""How much is left of JSON that ends too soon."""


def bent(setting: Setting, provider: str, key: DrawKey, asked: Ask, reply: Reply) -> Reply:
    """The reply as whatever strikes the call leaves it."""
    if setting.faults is None:
        return reply
    told = reply
    luck = partial(setting.luck, key=key)
    for fault in setting.at(provider, key):
        bend = _BENDS.get(fault)
        wrong = bend(told, asked, luck) if bend else None
        if wrong is not None:
            setting.note(fault, key)
            told = wrong
    return told if told is reply else _counted(told, reply)


def _counted(told: Reply, thought: Reply) -> Reply:
    """With the tokens of what is told, not of what was thought."""
    if thought.usage is None:
        return told
    more = _shown(told) - _shown(thought)
    usage = structs.replace(thought.usage, completion=thought.usage.completion + more)
    return structs.replace(told, usage=usage)


def _shown(reply: Reply) -> int:
    calls = sum(tokens_of(call.name + call.arguments) for call in reply.tool_calls)
    return calls + tokens_of(reply.text or "")


# The bends: None where there is nothing to bend


def _repeat(reply: Reply, asked: Ask, luck: Luck) -> Reply | None:
    again = tuple(structs.replace(call, id=_another(call.id)) for call in reply.tool_calls)
    return structs.replace(reply, tool_calls=(*reply.tool_calls, *again)) if again else None


def _invent(reply: Reply, asked: Ask, luck: Luck) -> Reply | None:
    def another(minor: int) -> int:
        invented = 1 + int(luck("amounts") * 2 * minor)
        return invented if invented != minor else minor + 1

    return _with_sums(reply, another)


def _misread_unit(reply: Reply, asked: Ask, luck: Luck) -> Reply | None:
    up = luck("units") < 0.5
    return _with_sums(reply, lambda minor: minor * 100 if up or minor < 100 else minor // 100)


def _break_off(reply: Reply, asked: Ask, luck: Luck) -> Reply | None:
    if reply.tool_calls:
        return structs.replace(
            reply,
            tool_calls=tuple(
                structs.replace(call, arguments=_begun(call.arguments)) for call in reply.tool_calls
            ),
        )
    if asked.schema is None or not reply.text:
        return None
    return structs.replace(reply, text=_begun(reply.text))


def _pay_again(reply: Reply, asked: Ask, luck: Luck) -> Reply | None:
    """Beside the text, which stays as it is."""
    said = asked.messages[-1].text
    facts = facts_in(said)
    if facts is None or reply.tool_calls:
        return None
    fields = {name: facts[name] for name in ("amount", "currency", "payee", "method")}
    arguments = msgspec.json.encode({**fields, "wish": said}).decode()
    call = ToolCall(_another(reply.id), "authorize_payment", arguments)
    return structs.replace(reply, tool_calls=(call,), finish="tool_calls")


_BENDS: dict[Fault, Callable[[Reply, Ask, Luck], Reply | None]] = {
    "repeats": _repeat,
    "amounts": _invent,
    "units": _misread_unit,
    "malformed": _break_off,
    "after-cancel": _pay_again,
}


def _with_sums(reply: Reply, change: Callable[[int], int]) -> Reply | None:
    changed = tuple(_with_sum(call, change) for call in reply.tool_calls)
    if changed == reply.tool_calls:
        return None
    return structs.replace(reply, tool_calls=changed)


def _with_sum(call: ToolCall, change: Callable[[int], int]) -> ToolCall:
    """The same call where it names no sum, or cannot be read."""
    try:
        told = msgspec.json.decode(call.arguments, type=dict[str, object])
    except UNREADABLE:
        return call
    amount = told.get("amount")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        return call
    minor = change(int(amount.replace(".", "")))
    told["amount"] = f"{minor // 100}.{minor % 100:02d}"
    return structs.replace(call, arguments=msgspec.json.encode(told).decode())


def _begun(whole: str) -> str:
    return whole[: int(len(whole) * KEPT)]


def _another(id_: str) -> str:
    """An id of its own for a call: nine letters and digits, which every wire takes."""
    return blake2b(id_.encode(), digest_size=6).hexdigest()[:9]


_AMOUNT = re.compile(r"[0-9]{1,15}\.[0-9]{2}")
