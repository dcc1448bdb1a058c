"""A gateway's behaviour: finds the model, adds its hop, and turns to another when that one is down.

Behind it are the same models as anywhere, asked without a wire in between: their servers are shared
with whoever asks them directly. A gateway's own servers are busy with a call for its hop alone.
Assumed: a try that fails costs a hop more, and what stands in for a model is tried once. Not
modelled: caches, retries of the same model, load balancing, and a fee above the vendor's price.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from msgspec import structs

from harness.answer import Answer
from harness.providers.chat import Ask, Trouble, Usage
from harness.providers.gateway import Gateway as Wire
from harness.providers.gateway import Routed
from mocks.brain import tokens_of
from mocks.desk import Guest
from mocks.figures import Price
from mocks.model import (
    Model,
    Plan,
    Room,
    list_models,
    no_such_model,
    refuse,
    request_id,
    serve,
    served_headers,
    trouble_of,
    unauthorized,
)
from mocks.profile import GatewayProfile
from mocks.setting import Setting

TURNS_AWAY_FROM = ("overloaded", "rate_limited")
"""The troubles of a model for which another one may stand in."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a call went: the target that was asked last, from 0, and what came of it. `spent_s` is
    what all hops took, `hop_s` the last one."""

    target: int
    provider: str
    model: str
    told: Plan | Trouble
    spent_s: float
    hop_s: float


class Gateway:
    """One gateway before the models of all providers. `fallbacks` says, for a model's name, which
    one stands in for it."""

    def __init__(
        self,
        setting: Setting,
        wire: Wire,
        profile: GatewayProfile,
        upstreams: Mapping[str, Model],
        fallbacks: Mapping[str, str],
        *,
        key: str,
    ) -> None:
        self._wire = wire
        self._hop = profile.hop
        self._upstreams = upstreams
        self._fallbacks = {wire.place_of(name)[1]: other for name, other in fallbacks.items()}
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._key = key
        self._names = [
            wire.name_of(provider, name).removeprefix("@")
            for provider, upstream in upstreams.items()
            for name in upstream.names
        ]

    def decide(self, request: httpx.Request) -> Answer:
        desk, wire = self._desk, self._wire
        guest = desk.arrive(request)
        if trouble := unauthorized(wire, request, self._key):
            return refuse(desk, wire, guest, trouble)
        if listed := list_models(desk, wire, guest, request, self._names):
            return listed
        asked = wire.decode_request(request)
        if isinstance(asked, Trouble):
            return refuse(desk, wire, guest, asked)
        prompt = sum(tokens_of(message.text) for message in asked.messages)
        if turned := desk.turned_away(guest, prompt):
            return refuse(desk, wire, guest, trouble_of(turned), room=self._room(guest))
        way = self._way(asked, guest)
        queue_s = desk.capacity.wait_s(guest.arrived, way.spent_s)
        if isinstance(way.told, Plan):
            return self._pass_on(asked, guest, way, way.told, queue_s)
        return self._give_up(asked, guest, way, way.told, queue_s)

    def _way(self, asked: Ask, guest: Guest) -> _Way:
        """Ask the model, then what stands in for it."""
        spent_s = 0.0
        last = len(targets := self._targets(asked.model)) - 1
        for target, (provider, model) in enumerate(targets):
            hop_s = self._desk.delays.timed_s(guest.key, f"hop {target}", self._hop)
            spent_s += hop_s
            upstream = self._upstreams.get(provider)
            told: Plan | Trouble = no_such_model(asked.model)
            if upstream is not None:
                told = upstream.plan(structs.replace(asked, model=model), guest)
            failed = isinstance(told, Trouble) and told.kind in TURNS_AWAY_FROM
            if not failed or target == last:
                break
        return _Way(target, provider, model, told, spent_s, hop_s)

    def _targets(self, name: str) -> list[tuple[str, str]]:
        """Provider and model, in the order in which they are asked."""
        first = self._place(name)
        other = self._fallbacks.get(first[1])
        return [first] if other is None else [first, self._place(other)]

    def _place(self, name: str) -> tuple[str, str]:
        provider, model = self._wire.place_of(name)
        if provider:
            return provider, model
        having = (of for of, upstream in self._upstreams.items() if model in upstream.names)
        return next(having, ""), model

    def _pass_on(self, asked: Ask, guest: Guest, way: _Way, plan: Plan, queue_s: float) -> Answer:
        before_s = queue_s + way.spent_s - way.hop_s / 2
        stream_s = self._hop.stream_ms / 1e3 if asked.stream else 0.0
        later = plan.later(before_s, way.hop_s / 2, stream_s)
        told = structs.replace(
            later,
            reply=structs.replace(plan.reply, model=self._wire.told_name(way.provider, way.model)),
            queue_s=plan.queue_s + queue_s,
            alive_s=(queue_s + way.hop_s / 2,) if asked.stream else (),
            room=self._room(guest),
        )
        headers = self._wire.encode_routed(self._routed(guest, way, plan))
        return serve(self._desk, self._wire, guest, asked, told, headers)

    def _give_up(
        self, asked: Ask, guest: Guest, way: _Way, trouble: Trouble, queue_s: float
    ) -> Answer:
        """The trouble of the last that was asked, after the time of all tries."""
        desk, wire = self._desk, self._wire
        told = structs.replace(trouble, request_id=request_id(guest))
        relayed = trouble.kind in TURNS_AWAY_FROM
        headers = {
            **(wire.encode_routed(self._routed(guest, way, None)) if relayed else {}),
            **served_headers(desk, wire, guest, way.spent_s, self._room(guest)),
        }
        late = wire.encode_late(told, asked) if relayed and asked.stream else b""
        if late:
            times = [queue_s + way.hop_s / 2, queue_s + way.spent_s]
            headers["content-type"] = "text/event-stream; charset=utf-8"
            chunks = [wire.encode_keep_alive(True), late]
            return desk.stream(guest, queue_s, times, headers, chunks)
        status, own, body = (
            wire.encode_relayed(told, way.provider) if relayed else wire.encode_trouble(told)
        )
        return desk.answer(guest, way.spent_s, status, {**headers, **own}, body, queue_s=queue_s)

    def _routed(self, guest: Guest, way: _Way, plan: Plan | None) -> Routed:
        upstream = self._upstreams.get(way.provider)
        price = upstream.price_of(way.model) if upstream and plan else None
        usage = plan.reply.usage if plan else None
        return Routed(
            request_id=request_id(guest),
            provider=way.provider,
            model=way.model,
            target=way.target,
            upstream_ms=plan.whole_s * 1e3 if plan else 0.0,
            overhead_ms=way.spent_s * 1e3,
            cost_usd=_cost_usd(price, usage) if price and usage else None,
        )

    def _room(self, guest: Guest) -> Room:
        capacity = self._desk.capacity
        return capacity.requests(guest.arrived), capacity.tokens(guest.arrived)


def _cost_usd(price: Price, usage: Usage) -> float:
    return (usage.prompt * price.input_usd + usage.completion * price.output_usd) / 1e6
