"""What a journal tells that is no run's own, as one that came from elsewhere: nothing is moved by
it."""

import contextlib
from pathlib import Path

import msgspec
import pytest

from harness.real.closing import Caller
from harness.real.closing.closer import ANOTHERS
from harness.real.journal import Entry, made_by, read_journal
from tests.real.reaped import (
    NUMBER,
    Deadly,
    Killed,
    Room,
    pay,
    story,
    wechatpay_order,
)
from tests.real.test_payers import PAYERS

pytestmark = pytest.mark.usefixtures("unsynced")


def test_what_was_made_by_other_credentials_is_not_taken_for_what_is_not_there(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        room = Room(tmp_path, "alipay-v3")
        await room.write(by="0123456789abcdef")
        await room.clock.sleep_until(100.0)
        [left] = await room.reap()
        assert "other credentials" in left.why
        assert (room.hosts.sent, room.entry.state) == ([], "intended")

    story(main())


@pytest.mark.parametrize("paid", [False, True], ids=["unpaid", "paid"])
@pytest.mark.parametrize("provider", [name for name in PAYERS if name != "wechatpay"])
def test_an_order_of_another_amount_is_somebody_elses(
    provider: str, paid: bool, tmp_path: Path
) -> None:
    """Of the same number and by the same credentials, as of a journal that came from elsewhere."""

    async def main() -> None:
        room = Room(tmp_path, provider)
        with contextlib.suppress(Killed):
            await (pay(room) if paid else room.order(Deadly(room.hosts, 1, arrives=True)))
        [book] = room.hosts.books
        stood = book.state
        told = msgspec.structs.replace(room.entry, amount_minor=room.entry.amount_minor + 1)
        room.path.write_bytes(msgspec.json.encode(told) + b"\n")
        [left] = await room.reap()
        assert left.why == ANOTHERS.why
        assert (book.state, book.refunds, room.entry.state) == (stood, {}, "created")

    story(main())


@pytest.mark.parametrize("paid", [False, True], ids=["unpaid", "paid"])
def test_a_shops_own_order_is_let_be(paid: bool, tmp_path: Path) -> None:
    """At WeChat Pay all orders are real ones, and no run's is of more than a fen."""

    async def main() -> None:
        room = Room(tmp_path, "wechatpay")
        shop, user = (Caller(room.hosts, room.clock, 1) for _ in range(2))
        await wechatpay_order(room.found.endpoint, shop, user if paid else None, fen=2)
        await room.write()
        [left] = await room.reap()
        assert left.why == ANOTHERS.why
        assert [(of.state, of.refunds) for of in room.hosts.books] == [
            ("paid" if paid else "open", {})
        ]
        room.path.unlink()
        await room.write(amount_minor=2)
        [left] = await room.reap()
        assert (room.hosts.sent, "whose journal" in left.why) == ([], True)

    story(main())


@pytest.mark.parametrize("provider", PAYERS)
def test_whatever_a_journal_says_nothing_is_made_or_moved_by_it(
    provider: str, tmp_path: Path
) -> None:
    async def main() -> None:
        room = Room(tmp_path, provider)
        texts = ("", "../x", "a\nb", "\u00e9", "a%2Fb", '"')
        names = ("order_no", "id", "currency", "txn_time", "ends_at")
        odd: list[dict[str, object]] = [{name: text} for name in names for text in texts]
        odd += [{"amount_minor": minor} for minor in (-5, 0, 10_001, 2**62)]
        odd += [{"at": at} for at in (-1e308, 1e308)]
        usual = msgspec.to_builtins(Entry(
            provider=provider, mode=room.found.mode, order_no=NUMBER, amount_minor=1,
            currency="CNY", at=0.0, run_id="r", by=made_by(room.found),
        ))  # fmt: skip
        lines = ({**usual, "order_no": f"{NUMBER}n{n}", **each} for n, each in enumerate(odd))
        room.path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
        left = await room.reap()
        assert not {of.order_no for of in left} - {of.order_no for of in read_journal(room.path)}
        moving = [of for of in room.hosts.sent if b"close" in of.url.raw_path + of.content]
        assert (moving, room.hosts.books) == ([], [])

    story(main())
