"""A model provider's behaviour, whichever wire it speaks: who may ask, how long an answer takes.

What a model says is brain.py's; how it is written, its wire's. Not modelled: refusals, and prompts
whose length costs time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx

from harness import draws
from harness.providers import SECOND
from harness.providers.chat import Ask, ModelWire, Reply, Served, Trouble
from mocks.brain import think, tokens_of
from mocks.capacity import Turned
from mocks.desk import Desk, Guest
from mocks.leaks import count_secrets
from mocks.profile import ModelProfile
from mocks.setting import Setting

CHARACTERS_A_PIECE = 40
"""Ten tokens at once. Real streams send one to a few; the total time is the same."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer and its times, in seconds after the call's arrival: the wait for a slot, the
    first token, the whole."""

    reply: Reply
    queue_s: float
    first_s: float
    whole_s: float
    leaks: int
    keep_alive_s: float | None = None
    """When a client that still waits is sent its first keep-alive line."""

    def later(self, before_s: float, after_s: float = 0.0, stream_s: float = 0.0) -> "Plan":
        """The same answer behind a hop that takes so long on the way there and back."""
        way_s = before_s + after_s
        return replace(
            self, first_s=self.first_s + way_s + stream_s, whole_s=self.whole_s + way_s + stream_s
        )


class Model:
    """All models of one provider. A mock is a function of a request; the state behind it is what
    its servers have to do, and which schemas they have seen."""

    def __init__(
        self, setting: Setting, wire: ModelWire, models: Mapping[str, ModelProfile], *, key: str
    ) -> None:
        self._setting = setting
        self._wire = wire
        self._models = {**{of.model: of for of in models.values() if of.model}, **models}
        self._desks: dict[ModelProfile, Desk] = {}
        self._desk = setting.desk(wire.NAME, None)
        self._seen_schemas: set[bytes] = set()
        self._key = key

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        guest = self._desk.arrive(request)
        wire = self._spoken(request)
        asked = wire.decode_request(request)
        if wire.key_of(request) != self._key:
            asked = Trouble(kind="unauthorized", message="Incorrect API key provided.")
        plan = asked if isinstance(asked, Trouble) else self.plan(asked, guest)
        if isinstance(plan, Trouble) or isinstance(asked, Trouble):
            assert isinstance(plan, Trouble)
            return await refuse(self._desk, wire, guest, plan)
        return await serve(self._desk, wire, guest, asked, plan)

    def _spoken(self, request: httpx.Request) -> ModelWire:
        """The wire of this request: the provider's second one under that one's base path."""
        second = SECOND.get(self._wire.NAME)
        path = request.url.path
        return second if second and f"{second.BASE_PATH}/" in path else self._wire

    def plan(self, asked: Ask, guest: Guest) -> Plan | Trouble:
        """The answer and its times, or why there is none. It waits for nothing."""
        profile = self._models.get(asked.model)
        if profile is None:
            return Trouble(
                kind="not_found",
                message=f"The model `{asked.model}` does not exist.",
                code="model_not_found",
            )
        desk = self._desk_of(profile)
        prompt = sum(tokens_of(message.text) for message in asked.messages)
        if turned := desk.turned_away(guest, prompt):
            return _trouble(turned)
        reply = think(asked, profile, guest.key, desk.delays, int(guest.arrived), prompt)
        first_s, whole_s = self._times(asked, profile, desk, guest, reply)
        queue_s = desk.capacity.wait_s(guest.arrived, whole_s)
        keep_alive = profile.keep_alive
        return Plan(
            reply,
            queue_s,
            queue_s + first_s,
            queue_s + whole_s,
            sum(count_secrets(message.text) for message in asked.messages),
            keep_alive.after_ms / 1e3 if keep_alive else None,
        )

    def _desk_of(self, profile: ModelProfile) -> Desk:
        """Each model has servers of its own."""
        desk = self._desks.get(profile)
        if desk is None:
            desk = self._desks[profile] = self._setting.desk(self._wire.NAME, profile.limits)
        return desk

    def _times(
        self, asked: Ask, profile: ModelProfile, desk: Desk, guest: Guest, reply: Reply
    ) -> tuple[float, float]:
        """The first token of the answer, and its last, in seconds of work."""
        assert reply.usage is not None
        latency = profile.latency
        first_s = desk.delays.ttft_s(guest.key, latency) + self._schema_s(
            asked, profile, desk, guest
        )
        first_s += draws.microseconds(reply.usage.reasoning / latency.tokens_per_s)
        shown = reply.usage.completion - reply.usage.reasoning
        return first_s, first_s + draws.microseconds(shown / latency.tokens_per_s)

    def _schema_s(self, asked: Ask, profile: ModelProfile, desk: Desk, guest: Guest) -> float:
        """What the first answer by a schema takes longer: its grammar is built then."""
        cold = profile.cold_schema
        if cold is None or asked.schema is None or bytes(asked.schema.schema) in self._seen_schemas:
            return 0.0
        self._seen_schemas.add(bytes(asked.schema.schema))
        return desk.delays.drawn_s(guest.key, "cold schema", cold.p50_ms / 1e3, cold.p99_ms / 1e3)


async def serve(
    desk: Desk,
    wire: ModelWire,
    guest: Guest,
    asked: Ask,
    plan: Plan,
    headers: Mapping[str, str] = {},
) -> httpx.Response:
    """The planned answer on this wire, whole or streamed, at its times."""
    extra = {**headers, **wire.encode_served(Served(request_id=request_id(guest)))}
    if asked.stream:
        chunks = wire.encode_stream(plan.reply, _pieces(plan.reply.text or ""), asked)
        times, timed = _paced(chunks, plan)
        kind = "text/event-stream; charset=utf-8"
    else:
        times, timed = [plan.whole_s], [wire.encode_reply(plan.reply)]
        kind = "application/json"
    alive = wire.encode_keep_alive(asked.stream)
    if alive and plan.keep_alive_s is not None and plan.keep_alive_s < times[0]:
        times, timed = [plan.keep_alive_s, *times], [alive, *timed]
    return await desk.stream(
        guest, plan.queue_s, times, {**extra, "content-type": kind}, timed, plan.leaks
    )


async def refuse(
    desk: Desk,
    wire: ModelWire,
    guest: Guest,
    trouble: Trouble,
    headers: Mapping[str, str] = {},
) -> httpx.Response:
    id_ = request_id(guest)
    status, own, body = wire.encode_trouble(replace(trouble, request_id=id_))
    extra = wire.encode_served(Served(request_id=id_))
    return await desk.refuse(guest, status, {**headers, **extra, **own}, body)


def request_id(guest: Guest) -> str:
    key = guest.key
    return f"req_{key.round}_{key.conversation}_{key.turn}_{key.stage}_{key.attempt}"


def _trouble(turned: Turned) -> Trouble:
    message = {
        "rate_limited": "Rate limit reached.",
        "overloaded": "The server is overloaded. Please try again later.",
    }
    return Trouble(kind=turned.why, message=message[turned.why], retry_after_s=turned.retry_after_s)


def _pieces(text: str) -> list[str]:
    return [text[at : at + CHARACTERS_A_PIECE] for at in range(0, len(text), CHARACTERS_A_PIECE)]


def _paced(chunks: Sequence[bytes], plan: Plan) -> tuple[list[float], list[bytes]]:
    """The opening with the first token, the rest at even steps, the last exactly at the end."""
    # The finish travels with the last piece: both leave when the last token is made.
    opening, *pieces, finish = chunks
    steps = [*pieces[:-1], b"".join(pieces[-1:]) + finish]
    span_s = plan.whole_s - plan.first_s
    times = [plan.first_s + span_s * n / len(steps) for n in range(len(steps) + 1)]
    times[-1] = plan.whole_s
    return times, [opening, *steps]
