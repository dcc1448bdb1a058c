"""One harmless call for each mock, and which part of its answer's time follows which law of its
profile; it sends nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
import numpy as np
from msgspec import UNSET, structs

from harness.calibrate.check import Timed
from harness.laws import Law, Lognormal
from harness.providers import (
    MODELS,
    alipay_ai,
    alipay_v3,
    flat,
    stripe,
    unionpay,
    unionpay_ai,
    wechat_ai,
    wechatpay,
)
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, ProviderFault
from harness.providers.chat import Ask, Message, Reply
from harness.providers.unionpay import transactions
from harness.providers.wechatpay.signing import Stamp
from harness.record import FloatArray
from harness.transport import Measured
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile

SAID = "Hello? Please tell me in a few words what you can do for me here."
INSTANT = "tollbench-instant"
"""A model that takes no time, to be asked through a gateway."""

_AT_ONCE_MS = 0.001

Ready = Callable[[Endpoint, int], httpx.Request]


@dataclass(frozen=True, slots=True)
class Answered:
    """What one call took, in seconds; `told` is None where nothing was told."""

    first: float
    whole: float
    told: float | None
    tokens: int


def model_call(provider: str, at: Endpoint, name: str, *, stream: bool) -> Call[Reply]:
    asked = Ask(model=name, messages=[Message("user", SAID)], stream=stream, include_usage=stream)
    return MODELS[provider].chat(at, asked)


def instant(like: ModelProfile) -> ModelProfile:
    latency = structs.replace(
        like.latency,
        ttft_p50_ms=_AT_ONCE_MS,
        ttft_p99_ms=2 * _AT_ONCE_MS,
        tokens_per_s=1e9,
        tokens_per_s_p1=UNSET,
        stalls=UNSET,
        quantiles_ms=UNSET,
    )
    return ModelProfile(provider=like.provider, latency=latency)


def answered(took: Sequence[Measured], calls: Sequence[Call[Reply]] = ()) -> list[Answered]:
    """Those that came whole; of models, with their tokens."""
    if not calls:
        return [_answered(one, 0) for one in took if _is_whole(one) and one.status < 500]
    return [
        _answered(one, tokens)
        for one, call in zip(took, calls, strict=True)
        for tokens in _tokens(one, call)
    ]


def payment_times(
    name: str, profile: PaymentProfile, found: Sequence[Answered], failed: int
) -> Timed:
    share = 1.0
    times = "overhead"
    if profile.session is not None and profile.provider in _OPENING:
        share, times = profile.session.share, "session"
    law = profile.overhead.law_ms().times(share / 1e3)
    return _timed(name, times, law, _told(found), _whole(found), found, failed)


def model_times(
    name: str, profile: ModelProfile, found: Sequence[Answered], failed: int
) -> Iterator[Timed]:
    """What a mock tells is the whole answer's time: its first token is that less its tokens' time,
    which is known where the rate is steady."""
    latency = profile.latency
    law = latency.law_ms().times(1e-3)
    tokens = np.array([one.tokens for one in found], dtype=np.float64)
    steady = latency.tokens_per_s_p1 is UNSET
    told = _told(found)
    told = told - tokens / latency.tokens_per_s if told is not None and steady else None
    first = np.array([one.first for one in found])
    if profile.reasoning is not None and not profile.reasoning.shown:
        first = _whole(found) - tokens / latency.tokens_per_s
    yield _timed(name, "first token", law, told, first, found, failed)
    if latency.tokens_per_s_p1 is not UNSET:
        rate = Lognormal(1 / latency.tokens_per_s, 1 / latency.tokens_per_s_p1)
        each = np.maximum(1, tokens)
        seen, error = (_whole(found) - first) / each, _error(found)
        error = error / each if error.size else error
        yield Timed(name, "time a token", rate, None, seen, error, failed)


def hop_times(name: str, profile: GatewayProfile, found: Sequence[Answered], failed: int) -> Timed:
    law = profile.hop.law_ms().times(1e-3)
    return _timed(name, "hop", law, _told(found), _whole(found), found, failed)


def _timed(
    name: str,
    times: str,
    law: Law,
    told: FloatArray | None,
    seen: FloatArray,
    found: Sequence[Answered],
    failed: int,
) -> Timed:
    return Timed(name, times, law, told, seen, _error(found), failed)


def _error(found: Sequence[Answered]) -> FloatArray:
    told = _told(found)
    return np.array([]) if told is None else _whole(found) - told


def _told(found: Sequence[Answered]) -> FloatArray | None:
    told = [one.told for one in found if one.told is not None]
    return np.array(told) if told and len(told) == len(found) else None


def _whole(found: Sequence[Answered]) -> FloatArray:
    return np.array([one.whole for one in found])


def _tokens(took: Measured, call: Call[Reply]) -> Iterator[int]:
    """Of a whole answer; none of any other."""
    if _is_whole(took):
        try:
            reply = call.decode(took.status, took.headers, took.body)
        except ProviderFault:
            return
        yield reply.usage.completion if reply.usage else 0


def _is_whole(took: Measured) -> bool:
    return not took.fault and took.status not in (401, 403, 429)


def _answered(took: Measured, tokens: int) -> Answered:
    told = None if took.told is None else (took.told.injected_ms - took.told.queue_ms) / 1e3
    return Answered(took.first_token - took.start, took.end - took.start, told, tokens)


_OPENING = ("wechat-ai", "unionpay-ai")
"""Whose session is opened."""

_NOBODYS = "tollbench-check"
_THEN = "2026-11-23 08:00:00"

PROBES: Mapping[str, Ready] = {
    "flat": lambda at, n: flat.query(at, f"{_NOBODYS}-{n}").request,
    "stripe": lambda at, n: stripe.retrieve_intent(at, f"pi_tollbench{n}").request,
    "wechat-ai": lambda at, n: wechat_ai.open_session(at, f"{_NOBODYS}-{n}", "balance").request,
    "unionpay-ai": lambda at, n: unionpay_ai.ask_token(at).request,
    "alipay-ai": lambda at, n: (
        alipay_ai.ask(at, trade.Query(out_trade_no=f"{_NOBODYS}-{n}"), _THEN).request
    ),
    "alipay-v3": lambda at, n: (
        alipay_v3.ask(
            at, trade.Query(out_trade_no=f"{_NOBODYS}-{n}"), int(time.time() * 1e3), f"check{n}"
        ).request
    ),
    "wechatpay": lambda at, n: (
        wechatpay.query(at, f"{_NOBODYS}-{n}", Stamp(int(time.time()), f"check{n}")).request
    ),
    "unionpay": lambda at, n: (
        unionpay.ask(at, transactions.Query(f"check{n}", "20261123080000"), time.time()).request
    ),
}
"""Of payment providers: opening a session where there are any, else a question for an order that
nobody made. Both are served by the law of a payment."""
