"""The agent's model calls: read the wish, judge it, tell the user how it ended; it knows no wire.

A model sees the user's words and an anonymous reference; never a token, key or order number.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from harness.flow.flow import Flow
from harness.flow.guard import Guarded
from harness.flow.retry import again, passing
from harness.flow.tools import TOOLS, read_wish
from harness.flow.wish import AnyWish
from harness.providers.call import Endpoint, Malformed
from harness.providers.chat import Ask, Message, ModelWire, Reply, Schema

Role = Literal["intent", "confirm", "reason", "score"]
"""Who reads wishes, who confirms, who reasons about refunds, who scores fraud."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The provider of the model that plays this role is down, from so many seconds after a round's
    first call on. A scenario that is about it has a property `outages`; one that needs other roles
    than intent and confirm, a class attribute `roles`."""

    role: Role
    from_s: float
    for_s: float


_READ = Message(
    "system",
    "You are a payment assistant. Turn the user's wish into one call of the function that fits. "
    "Copy amounts, currencies, payees and methods exactly; never invent one.",
)
_TELL = Message(
    "system",
    "You are a payment assistant. Tell the user kindly, in a few sentences, how the payment ended. "
    "State only what you are given.",
)
_REASON = Message(
    "system",
    "You decide refund requests for a shop. Approve what its terms allow: goods that were bad, "
    "late or not as shown. Answer by the schema only.",
)
_SCORE = Message(
    "system",
    "You score payment requests for fraud from 0, surely honest, to 100, surely not. "
    "Answer by the schema only.",
)

T = TypeVar("T")


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the reasoning model makes of a refund request."""

    approve: bool
    why: str


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """0 is surely honest, 100 surely not."""

    score: int

    def __post_init__(self) -> None:
        # Not in the schema: not every provider's structured output knows bounds.
        if not 0 <= self.score <= 100:
            raise ValueError("a score is from 0 to 100")


@dataclass(frozen=True, slots=True)
class Voice:
    """One model where it can be asked, and what its tokens cost, in millionths of a CNY each."""

    wire: ModelWire
    at: Endpoint
    model: str
    prompt_micro: float = 0.0
    completion_micro: float = 0.0

    async def ask(self, flow: Flow, stage: str, ask: Ask) -> Reply:
        """To ask again does no harm: a model moves nothing."""
        chat = lambda: flow.call(stage, self.wire.chat(self.at, ask))  # noqa: E731
        reply = await again(flow, stage, chat, passing, self.model)
        if reply.usage:
            prompt, completion = reply.usage.prompt, reply.usage.completion
            flow.token_cost_micro += round(
                prompt * self.prompt_micro + completion * self.completion_micro
            )
        return reply


@dataclass(frozen=True, slots=True)
class Models:
    """Which model plays which role."""

    intent: Voice
    confirm: Voice
    reason: Voice | None = None
    score: Voice | None = None

    async def read_wish(self, flow: Flow, said: str) -> AnyWish:
        """What the model understands. Guarded when it calls no function, or one wrongly."""
        ask = Ask(
            model=self.intent.model,
            messages=[_READ, Message("user", said)],
            tools=TOOLS,
            tool_choice="required",
        )
        reply = await self.intent.ask(flow, "intent", ask)
        if len(reply.tool_calls) != 1:
            raise Guarded(f"{len(reply.tool_calls)} tool calls for one wish")
        try:
            return read_wish(reply.tool_calls[0])
        except ValueError as error:
            raise Guarded(str(error)) from None

    async def tell(self, flow: Flow, facts: str) -> str:
        """The confirmation in full. It is streamed, and held back until the payment is final. There
        is nothing to call for any more: what is called all the same is stopped, and counted."""
        ask = Ask(
            model=self.confirm.model, messages=[_TELL, Message("user", facts)], stream=True,
            include_usage=True,
        )  # fmt: skip
        reply = await self.confirm.ask(flow, "confirm", ask)
        flow.guarded += bool(reply.tool_calls)
        if not reply.text:
            raise Malformed("a confirmation without text")
        return reply.text

    async def decide(self, flow: Flow, request: str) -> Decision:
        """Whether a refund is due, by the model that reasons."""
        assert self.reason is not None, "no model was chosen to reason"
        return await self._judge(flow, "reason", self.reason, _REASON, request, Decision)

    async def suspect(self, flow: Flow, said: str) -> Score:
        """How suspicious a request is, by the model that scores."""
        assert self.score is not None, "no model was chosen to score"
        return await self._judge(flow, "score", self.score, _SCORE, said, Score)

    async def _judge(
        self, flow: Flow, stage: str, voice: Voice, rules: Message, request: str, shape: type[T]
    ) -> T:
        ask = Ask(
            model=voice.model,
            messages=[rules, Message("user", request)],
            schema=_SCHEMAS[shape],
        )
        reply = await voice.ask(flow, stage, ask)
        try:
            return msgspec.json.decode(reply.text or "", type=shape)
        except (msgspec.DecodeError, UnicodeEncodeError):
            # Not even the name of a field that should not be there may reach a log.
            raise Guarded(f"the {stage} answer breaks its schema") from None


def _schema(shape: type[object]) -> Schema:
    """The JSON schema of the shape, as strict structured output wants it."""
    made = msgspec.json.schema(shape)["$defs"][shape.__name__]
    strict = {key: made[key] for key in ("type", "properties", "required")}
    strict["additionalProperties"] = False
    return Schema(shape.__name__.lower(), msgspec.Raw(msgspec.json.encode(strict)))


_SCHEMAS: dict[type[object], Schema] = {shape: _schema(shape) for shape in (Decision, Score)}
"""Made once: msgspec leaves garbage that only the collector finds, and none runs in a round."""
