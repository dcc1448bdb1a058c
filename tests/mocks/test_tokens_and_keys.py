"""Session tokens and sealing keys of WeChat Pay AI's mock, while the virtual clock runs on."""

import asyncio
import json

import pytest

from harness.providers import wechat_ai as wire
from harness.providers.told import DrawKey
from harness.providers.wechat_ai import Order, PublicKey, Refusal, Session
from mocks.host import MockConfig
from mocks.keys import private_key
from tests.mocks.visit import (
    ADA,
    AT_PAY,
    KEY_ENDS_S,
    MODELS,
    OVERLAP_S,
    PAY,
    ROTATION_S,
    SEED,
    Visit,
    visit,
)

UNPAID = Order("o-1", ADA, "balance")


def sealing_key(index: int) -> wire.SealingKey:
    """What a client holds that fetched this key in its time."""
    return wire.SealingKey(f"key-{index}", private_key(index).public_key(), 0.0)


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize(("early_s", "code"), [(1e-6, "ORDER_NOT_FOUND"), (0.0, "TOKEN_EXPIRED")])
def test_a_token_is_good_until_its_lifetime_ends_and_not_at_its_end(
    scale: float, early_s: float, code: str
) -> None:
    config = MockConfig(seed=SEED, pay={"wechat-ai": PAY}, models=MODELS, lifetime_scale=scale)

    async def main(at: Visit) -> None:
        opened = (await at.ask(wire.open_session(AT_PAY, ADA, "balance"))).value
        assert isinstance(opened, Session)
        assert opened.expires_in_s == 900 * scale
        call = wire.transact(AT_PAY, "pay.query", opened.session_token, sealing_key(0), UNPAID)
        await at.clock.sleep_until(900 * scale - early_s)  # it was issued at 0
        told = (await at.ask(call)).value
        assert isinstance(told, Refusal)
        assert told.code == code

    visit(main, config)


def test_no_two_sessions_share_a_token_and_none_is_another_ones_refresh_token() -> None:
    async def main(at: Visit) -> None:
        sessions = [await opened(at) for _ in range(50)]
        tokens = {token for one in sessions for token in (one.session_token, one.refresh_token)}
        assert len(tokens) == 100

    visit(main)


async def opened(at: Visit) -> Session:
    told = (await at.ask(wire.open_session(AT_PAY, ADA, "balance"))).value
    assert isinstance(told, Session)
    return told


async def refreshed(at: Visit, session: Session) -> Session | Refusal:
    return (await at.ask(wire.refresh(AT_PAY, session.refresh_token))).value


REFRESH_S = 30 * 86_400


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize(("early_s", "granted"), [(1e-6, True), (0.0, False)])
def test_a_refresh_token_outlives_its_session_by_far_and_ends_as_sharply(
    scale: float, early_s: float, granted: bool
) -> None:
    config = MockConfig(seed=SEED, pay={"wechat-ai": PAY}, models=MODELS, lifetime_scale=scale)

    async def main(at: Visit) -> None:
        session = await opened(at)
        await at.clock.sleep_until(REFRESH_S * scale - early_s)  # it was issued at 0
        told = await refreshed(at, session)
        assert isinstance(told, Session) == granted
        assert isinstance(told, Session) or told.code == "TOKEN_EXPIRED"

    visit(main, config)


def test_a_refreshed_session_is_for_the_same_user_and_method_and_lives_anew() -> None:
    async def main(at: Visit) -> None:
        session = await opened(at)
        for _ in range(3):
            await at.clock.sleep_until(at.clock.now() + 1000)
            session = _granted(await refreshed(at, session))
            assert (session.openid, session.method, session.expires_in_s) == (ADA, "balance", 900)
            call = wire.transact(AT_PAY, "pay.query", session.session_token, sealing_key(0), UNPAID)
            told = (await at.ask(call)).value
            assert isinstance(told, Refusal)
            assert told.code == "ORDER_NOT_FOUND"

    visit(main)


def _granted(told: Session | Refusal) -> Session:
    assert isinstance(told, Session)
    return told


def test_of_two_refreshes_at_once_one_is_granted() -> None:
    async def main(at: Visit) -> None:
        session = await opened(at)
        told = await asyncio.gather(*(refreshed(at, session) for _ in range(3)))
        assert sorted(type(one).__name__ for one in told) == ["Refusal", "Refusal", "Session"]

    visit(main)


def test_refreshing_a_session_takes_as_long_as_opening_one_at_the_same_point() -> None:
    async def main(at: Visit) -> None:
        session = await opened(at)
        for turn in range(5):
            opening = await at.ask(
                wire.open_session(AT_PAY, ADA, "balance"), DrawKey(0, 1, turn, "session", 1)
            )
            refreshing = await at.ask(
                wire.refresh(AT_PAY, session.refresh_token), DrawKey(0, 1, turn, "refresh", 2)
            )
            session = _granted(refreshing.value)
            assert refreshing.answer.took_us == opening.answer.took_us == opening.answer.told_us

    visit(main)


@pytest.mark.parametrize(
    ("when_s", "accepted"),
    [
        (ROTATION_S - 1, ["key-0"]),
        (ROTATION_S, ["key-0", "key-1"]),
        (KEY_ENDS_S - 1, ["key-0", "key-1"]),
        (KEY_ENDS_S, ["key-1"]),
        (2 * ROTATION_S, ["key-1", "key-2"]),
    ],
)
def test_a_key_is_accepted_until_the_overlap_with_its_successor_ends(
    when_s: float, accepted: list[str]
) -> None:
    keys = [sealing_key(n) for n in range(3)]

    async def main(at: Visit) -> None:
        await at.clock.sleep_until(when_s - 10)
        token = await at.token()
        calls = [wire.transact(AT_PAY, "pay.query", token, key, UNPAID) for key in keys]
        await at.clock.sleep_until(when_s)
        # All at once, since each takes some hundred milliseconds and the end is sharp.
        answers = await asyncio.gather(*[at.ask(call) for call in calls])
        codes = [told.value.code for told in answers if isinstance(told.value, Refusal)]
        assert codes == [
            "ORDER_NOT_FOUND" if key.key_id in accepted else "KEY_RETIRED" for key in keys
        ]

    visit(main)


async def current(at: Visit) -> PublicKey:
    answer = await at.send(wire.fetch_key(AT_PAY).request)
    told = json.loads(answer.body)
    return PublicKey(told["key_id"], told["public_key_pem"], told["expires_in_s"])


def test_the_key_changes_every_30_days_and_says_when_it_ends() -> None:
    async def main(at: Visit) -> None:
        for when_s, key_id, left_s in (
            (0, "key-0", KEY_ENDS_S),
            (ROTATION_S - 10, "key-0", OVERLAP_S + 10),
            (ROTATION_S, "key-1", KEY_ENDS_S),
        ):
            await at.clock.sleep_until(when_s)
            key = await current(at)
            assert (key.key_id, round(key.expires_in_s, 6)) == (key_id, left_s)

    visit(main)


def test_no_two_keys_are_the_same() -> None:
    async def main(at: Visit) -> None:
        first = await current(at)
        await at.clock.sleep_until(ROTATION_S)
        assert (await current(at)).public_key_pem != first.public_key_pem

    visit(main)
