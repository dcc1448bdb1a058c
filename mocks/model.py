"""A model provider's behaviour, whichever wire it speaks: who may ask, how long an answer takes.

What a model says is brain.py's; how it is written, its wire's. Not modelled: refusals, and prompts
whose length costs time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import httpx
import msgspec
from msgspec import structs

from harness import draws
from harness.answer import Answer
from harness.providers import SECOND
from harness.providers.chat import (
    Ask,
    Catalog,
    Headroom,
    ModelWire,
    Reply,
    Schema,
    Served,
    Trouble,
)
from mocks.brain import think, tokens_of_all
from mocks.capacity import Outages, Turned
from mocks.desk import Desk, Guest
from mocks.faults.models import bent
from mocks.figures import ColdSchema, KeepAlive, Price
from mocks.leaks import count_in_all
from mocks.profile import ModelProfile
from mocks.setting import Setting

CHARACTERS_A_PIECE = 40
"""Ten tokens at once. Real streams send one to a few; the total time is the same."""

Room = tuple[Headroom | None, Headroom | None]
"""What is left of the limits of requests and of tokens."""

NO_LIMITS: Room = (None, None)


class Plan(msgspec.Struct, frozen=True, gc=False):
    """One answer and its times, in seconds after the call's arrival: the wait for a slot, the
    first token, the whole."""

    reply: Reply
    queue_s: float
    first_s: float
    whole_s: float
    leaks: int
    alive_s: Sequence[float] = ()
    """When a client that still waits is sent keep-alive lines."""
    room: Room = NO_LIMITS

    def later(self, before_s: float, after_s: float = 0.0, stream_s: float = 0.0) -> "Plan":
        """The same answer behind a hop that takes so long on the way there and back."""
        way_s = before_s + after_s + stream_s
        return structs.replace(self, first_s=self.first_s + way_s, whole_s=self.whole_s + way_s)


@dataclass(frozen=True, slots=True)
class _Served:
    """One model: its figures, and servers of its own."""

    name: str
    profile: ModelProfile
    desk: Desk


class Model:
    """All models of one provider. A mock is a function of a request; the state behind it is what
    its servers have to do, and which schemas they have seen."""

    def __init__(
        self, setting: Setting, wire: ModelWire, models: Mapping[str, ModelProfile], *, key: str
    ) -> None:
        self._setting = setting
        self._wire = wire
        self._second = SECOND.get(wire.NAME)
        served = {
            name: _Served(name, profile, setting.desk(wire.NAME, profile.limits))
            for name, profile in models.items()
        }
        self._models = {**{of.profile.model: of for of in served.values()}, **served}
        self._models.pop("", None)
        self._desk = setting.desk(wire.NAME, None)
        self._outages = Outages(setting.outages, wire.NAME, setting.began)
        self._seen_schemas: set[tuple[int, str, bytes]] = set()
        self._key = key

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        wire = self._spoken(request) if self._second else self._wire
        if trouble := unauthorized(wire, request, self._key):
            return refuse(self._desk, wire, guest, trouble)
        if listed := list_models(self._desk, wire, guest, request, self._models):
            return listed
        asked = wire.decode_request(request)
        if isinstance(asked, Trouble):
            return refuse(self._desk, wire, guest, asked)
        plan = self.plan(asked, guest)
        if isinstance(plan, Trouble):
            of = self._models.get(asked.model)
            room = _room(of.desk, guest) if of else NO_LIMITS
            return refuse(self._desk, wire, guest, plan, room=room)
        return serve(self._desk, wire, guest, asked, plan)

    @property
    def names(self) -> Collection[str]:
        """All that its models go by."""
        return self._models.keys()

    def price_of(self, name: str) -> Price | None:
        return self._models[name].profile.price if name in self._models else None

    def plan(self, asked: Ask, guest: Guest) -> Plan | Trouble:
        """The answer and its times, or why there is none. It waits for nothing."""
        if self._outages.down(guest.key.round, guest.arrived):
            return Trouble(kind="overloaded", message=_OVERLOADED)
        of = self._models.get(asked.model)
        if of is None:
            return no_such_model(asked.model)
        texts, desk = [message.text for message in asked.messages], of.desk
        prompt = tokens_of_all(texts)
        if turned := desk.turned_away(guest, prompt):
            return trouble_of(turned)
        created = int(desk.clock.unix_s())
        thought = think(asked, of.profile, guest.key, desk.delays, created, prompt)
        reply = bent(self._setting, self._wire.NAME, guest.key, asked, thought)
        first_s, whole_s = self._times(asked, of, guest, reply)
        queue_s = desk.capacity.wait_s(guest.arrived, whole_s)
        leaks, alive = count_in_all(texts), of.profile.keep_alive
        if leaks:
            what = "a secret was in a prompt" if leaks == 1 else f"{leaks} secrets were in a prompt"
            self._setting.trail.note(self._wire.NAME, what, guest.key, "no secret")
        return Plan(
            reply,
            queue_s,
            queue_s + first_s,
            queue_s + whole_s,
            leaks,
            _alive_s(alive, queue_s + (first_s if asked.stream else whole_s)) if alive else (),
            _room(desk, guest),
        )

    def _spoken(self, request: httpx.Request) -> ModelWire:
        """The wire of this request: the provider's second one under that one's base path."""
        second = self._second
        return second if second and f"{second.BASE_PATH}/" in request.url.path else self._wire

    def _times(self, asked: Ask, of: _Served, guest: Guest, reply: Reply) -> tuple[float, float]:
        """The first token that is seen, and the last, in seconds of work."""
        assert reply.usage is not None
        profile, delays, usage = of.profile, of.desk.delays, reply.usage
        first_s = delays.ttft_s(guest.key, profile.latency)
        if asked.schema is not None and profile.cold_schema is not None:
            first_s += self._schema_s(asked.schema, profile.cold_schema, of, guest)
        rate = delays.rate(guest.key, profile.latency)
        said_s = draws.microseconds((usage.completion - usage.reasoning) / rate)
        if not usage.reasoning:
            return first_s, first_s + said_s
        answer_s = first_s + draws.microseconds(usage.reasoning / rate)
        shown = profile.reasoning is not None and profile.reasoning.shown
        return first_s if shown else answer_s, answer_s + said_s

    def _schema_s(self, asked: Schema, cold: ColdSchema, of: _Served, guest: Guest) -> float:
        """What the first answer by a schema takes longer: its grammar is built then, and kept for
        the round."""
        digest = blake2b(asked.schema, digest_size=16).digest()
        schema = (guest.key.round, of.name, digest)
        if schema in self._seen_schemas:
            return 0.0
        self._seen_schemas.add(schema)
        return of.desk.delays.timed_s(guest.key, "cold schema", cold)


# What gateways do likewise


def serve(
    desk: Desk,
    wire: ModelWire,
    guest: Guest,
    asked: Ask,
    plan: Plan,
    headers: Mapping[str, str] = {},
) -> Answer:
    """The planned answer on this wire, whole or streamed, at its times."""
    if asked.stream:
        chunks = wire.encode_stream(plan.reply, _pieces(plan.reply.text or ""), asked)
        times, timed = _paced(chunks, plan)
        kind = "text/event-stream; charset=utf-8"
    else:
        times, timed = [plan.whole_s], [wire.encode_reply(plan.reply)]
        kind = "application/json"
    extra = {
        **headers,
        **served_headers(desk, wire, guest, times[0], plan.room),
        "content-type": kind,
    }
    alive = wire.encode_keep_alive(asked.stream) if plan.alive_s else b""
    if alive:
        early = [when for when in plan.alive_s if when < times[0]]
        times, timed = [*early, *times], [alive] * len(early) + timed
    return desk.stream(guest, plan.queue_s, times, extra, timed, plan.leaks)


def refuse(
    desk: Desk,
    wire: ModelWire,
    guest: Guest,
    trouble: Trouble,
    headers: Mapping[str, str] = {},
    room: Room = NO_LIMITS,
) -> Answer:
    status, own, body = wire.encode_trouble(structs.replace(trouble, request_id=request_id(guest)))
    extra = served_headers(desk, wire, guest, 0.0, room)
    return desk.refuse(guest, status, {**headers, **extra, **own}, body)


def unauthorized(wire: ModelWire, request: httpx.Request, key: str) -> Trouble | None:
    sent = wire.key_of(request)
    if sent == key:
        return None
    told = "Incorrect API key provided." if sent else "You didn't provide an API key."
    return Trouble(kind="unauthorized", message=told)


def list_models(
    desk: Desk, wire: ModelWire, guest: Guest, request: httpx.Request, names: Collection[str]
) -> Answer | None:
    """The answer to a question for these models, or one of them; None for any other question."""
    if request.method != "GET" or not isinstance(wire, Catalog):
        return None
    of = wire.decode_listing(request)
    if of is None:
        return None
    if of and of not in names:
        return refuse(desk, wire, guest, no_such_model(of))
    body = wire.encode_listing([of] if of else list(names), of, CREATED)
    headers = {
        **served_headers(desk, wire, guest, 0.0, NO_LIMITS),
        "content-type": "application/json",
    }
    return desk.refuse(guest, 200, headers, body)


CREATED = 1_735_689_600
"""When all models were made, as their lists tell: the first second of 2025."""


def no_such_model(name: str) -> Trouble:
    told = f"The model `{name}` does not exist or you do not have access to it."
    return Trouble(kind="not_found", message=told, code="model_not_found")


def trouble_of(turned: Turned) -> Trouble:
    if turned.why == "overloaded":
        return Trouble(kind="overloaded", message=_OVERLOADED, retry_after_s=turned.retry_after_s)
    again = f"Please try again in {turned.retry_after_s:.3f}s."
    return Trouble(
        kind="rate_limited",
        message=f"Rate limit reached on {turned.limit} per minute. {again}",
        retry_after_s=turned.retry_after_s,
        limit=turned.limit,
    )


def request_id(guest: Guest) -> str:
    key = guest.key
    return f"req_{key.round}_{key.conversation}_{key.turn}_{key.stage}_{key.attempt}"


def served_headers(
    desk: Desk, wire: ModelWire, guest: Guest, worked_s: float, room: Room
) -> dict[str, str]:
    requests, tokens = room
    return wire.encode_served(
        Served(
            request_id=request_id(guest),
            processing_ms=worked_s * 1e3,
            unix_s=desk.clock.unix_s(),
            requests=requests,
            tokens=tokens,
        )
    )


def _room(desk: Desk, guest: Guest) -> Room:
    capacity = desk.capacity
    return capacity.requests(guest.arrived), capacity.tokens(guest.arrived)


def _alive_s(alive: KeepAlive, until_s: float) -> Sequence[float]:
    every_s = alive.after_ms / 1e3
    return [every_s * n for n in range(1, 1 + int(until_s / every_s))]


def _pieces(text: str) -> list[str]:
    return [text[at : at + CHARACTERS_A_PIECE] for at in range(0, len(text), CHARACTERS_A_PIECE)]


def _paced(chunks: Sequence[bytes], plan: Plan) -> tuple[list[float], list[bytes]]:
    """The opening with the first token, the rest at even steps, the last exactly at the end."""
    # The finish travels with the last piece: both leave when the last token is made.
    timed = [*chunks[:-2], b"".join(chunks[-2:])] if len(chunks) > 2 else list(chunks)
    steps, first_s = len(timed) - 1, plan.first_s
    span_s = plan.whole_s - first_s
    times = [first_s + span_s * n / steps for n in range(steps)]
    times.append(plan.whole_s)
    return times, timed


_OVERLOADED = "The server is overloaded with other requests. Please try again later."
