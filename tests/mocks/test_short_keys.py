"""Keys of 1024 bits, for worlds that speak to nobody else: every wire takes them, and a sealing key
is never one of them."""

import subprocess
import sys

import pytest

from harness.flow.payers import Settlement
from mocks import key_material
from mocks.key_material import SHORT_BITS, pair, shorten
from mocks.keys import private_key
from mocks.wechatpay_keys import credentials
from tests.mocks.struck import LUNCH, PAYERS, Till, at_till


def test_who_asks_for_short_keys_gets_them_but_for_those_that_seal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = pair("alipay-app")
    monkeypatch.setattr(key_material, "_bits", key_material.KEY_BITS)
    shorten()
    assert (pair("alipay-app"), before.key_size) == (before, 2048)
    assert pair("nobody's").key_size == SHORT_BITS == 1024
    assert private_key(0).key_size == 2048


@pytest.mark.thorough
def test_every_wire_takes_short_keys() -> None:
    """In a process of its own: what it makes is short for as long as it lives."""
    command = [sys.executable, "-P", "-m", __name__]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60.0)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.split() == [*PAYERS, "1024"]


def main() -> None:
    shorten()
    for lane in PAYERS:
        at_till(lane, [], _pays_asks_and_gives_back)
        print(lane)
    credentials()
    print(pair("wechatpay certificate").key_size)


async def _pays_asks_and_gives_back(till: Till) -> None:
    flow = till.turn()
    paid, session = await till.pay(flow), await till.session(flow)
    assert paid.outcome == till.payer.good_end
    asked = await till.payer.query(flow, session, LUNCH)
    assert isinstance(asked, Settlement)
    assert asked.outcome == paid.outcome
    await till.payer.void(flow, session, LUNCH)
    await flow.join()


if __name__ == "__main__":
    main()
