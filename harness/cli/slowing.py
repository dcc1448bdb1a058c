"""A known slowness put into one stage of a run's mocks, to see whether it is found; it runs none.

Only figures change, never a draw: the same call, drawn by the same luck, takes so many percent
longer. Stages that no figure of their own stands behind cannot be slowed apart, and are refused.
"""

from dataclasses import replace

from msgspec import UNSET, structs

from harness.cli.wiring import Setup
from mocks.figures import stretched
from mocks.host import MockConfig
from mocks.profile import ModelProfile, PaymentProfile

PAY, SESSION = "pay", "session"


def stages_of(setup: Setup) -> list[str]:
    """Those that can be slowed: the payment, its session where all providers have one, and the
    call of each model's role."""
    has_session = all(profile.session for profile in setup.mocks.pay.values())
    return [PAY, *([SESSION] if has_session else []), *setup.speaking.roles]


def slowed(setup: Setup, stage: str, share: float) -> Setup:
    """The same run in which the calls of this stage take 1 + `share` times as long.

    `pay` is every transaction of a payment provider, be it a payment, a query or a refund, and
    `session` opening or refreshing one. A model is slower to its first token and after it.
    """
    if stage in (PAY, SESSION):
        pay = {
            name: _slow_payment(profile, stage, 1 + share)
            for name, profile in setup.mocks.pay.items()
        }
        return replace(setup, mocks=structs.replace(setup.mocks, pay=pay))
    return _slow_role(setup, stage, 1 + share)


def _slow_payment(profile: PaymentProfile, stage: str, times: float) -> PaymentProfile:
    """One draw is shared out between the session and the rest, so slowing one part lengthens the
    whole, and changes the share."""
    session = profile.session
    share = session.share if session else 0.0
    opening, rest = share, 1 - share
    if stage == SESSION:
        opening *= times
    else:
        rest *= times
    whole = opening + rest
    return structs.replace(
        profile,
        overhead=stretched(profile.overhead, whole),
        session=session and structs.replace(session, share=opening / whole),
    )


def _slow_role(setup: Setup, role: str, times: float) -> Setup:
    """One model may play several roles: this one gets a copy of its own."""
    speaking = setup.speaking
    roles = dict(speaking.roles)
    (slow,) = (of for of in roles if of == role)
    name = roles[slow]
    copy = f"{name}-slowed-{role}"
    roles[slow] = copy
    models = {**speaking.models, copy: _slow_model(speaking.models[name], times)}
    return replace(
        setup,
        speaking=replace(speaking, roles=roles, models=models),
        mocks=_with_model(setup.mocks, name, copy, models[copy]),
    )


def _with_model(mocks: MockConfig, name: str, copy: str, profile: ModelProfile) -> MockConfig:
    fallbacks = dict(mocks.fallbacks)
    if name in fallbacks:
        fallbacks[copy] = fallbacks[name]
    return structs.replace(mocks, models={**mocks.models, copy: profile}, fallbacks=fallbacks)


def _slow_model(profile: ModelProfile, times: float) -> ModelProfile:
    latency, cold = profile.latency, profile.cold_schema
    slowest = latency.tokens_per_s_p1
    slow = structs.replace(
        stretched(latency, times),
        tokens_per_s=latency.tokens_per_s / times,
        tokens_per_s_p1=slowest if slowest is UNSET else slowest / times,
    )
    return structs.replace(
        profile, model="", latency=slow, cold_schema=cold and stretched(cold, times)
    )
