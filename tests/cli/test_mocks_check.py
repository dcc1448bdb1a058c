"""`tollbench mocks check` as a user runs it: it finds a mock that keeps to its profile, and one
that does not, and says where nothing is certain."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.calibrate.check import check
from harness.cli import mocks_check
from harness.cli.exits import BadInput
from harness.cli.mock_probes import PROBES, Answered, model_times, payment_times
from harness.cli.mocks_check import Options, check_profiles
from harness.laws import Lognormal
from harness.providers.told import DrawKey
from mocks.host import PAYMENTS
from mocks.latency import Delays
from mocks.profile import FOLDER, ModelProfile, PaymentProfile, load
from tests.cli.command import tollbench
from tests.cli.serving import serving

FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
PAY = f"""provider = "flat"
[fee]
currency = "CNY"
{FROM}[overhead]
p50_ms = 150.0
p99_ms = 300.0
stalls = {{ share = 0.1, p50_ms = 600.0, p99_ms = 900.0 }}
{FROM}"""
SESSION = f"[session]\nshare = 0.5\nlifetime_s = 9.0\n{FROM}"
OPENING = PAY.replace('"flat"', '"unionpay-ai"') + SESSION
CHAT = f"""provider = "openai"
[latency]
ttft_p50_ms = 150.0
ttft_p99_ms = 400.0
tokens_per_s = 200.0
{FROM}"""
THINKS = CHAT + f"[reasoning]\ntokens_p50 = 30.0\ntokens_p99 = 60.0\n{FROM}"
HOP = f'provider = "portkey"\n[hop]\np50_ms = 150.0\np99_ms = 300.0\n{FROM}'
SLOWER = PAY.replace("150.0", "190.0").replace("600.0", "700.0")


def told(out: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(out)
    return found


def test_every_payment_provider_has_a_call_to_be_sampled_by() -> None:
    assert set(PROBES) == set(PAYMENTS)


# What is read off an answer


def answered(first: float, told: float, tokens: int) -> Answered:
    return Answered(first, told + 0.001, told, tokens)


def profile_of(text: str, path: Path, kind: Any) -> Any:  # whichever the text is
    (path / "mine.toml").write_text(text)
    return load(str(path / "mine.toml"), kind)


def test_a_session_is_held_against_its_share(tmp_path: Path) -> None:
    profile: PaymentProfile = profile_of(OPENING, tmp_path, PaymentProfile)
    timed = payment_times("mine", profile, [answered(0.1, 0.1, 0)] * 9, 1)
    assert (timed.times, timed.failed) == ("session", 1)
    whole_ms = profile.overhead.law_ms().quantile(0.7)
    assert timed.law.quantile(0.7) == pytest.approx(whole_ms * 0.5 / 1e3)
    assert timed.error.tolist() == pytest.approx([0.001] * 9)


def test_a_first_token_is_told_where_the_rate_is_steady(tmp_path: Path) -> None:
    profile: ModelProfile = profile_of(CHAT, tmp_path, ModelProfile)
    (timed,) = model_times("mine", profile, [answered(0.21, 0.4, 40)], 0)
    assert timed.told is not None
    assert (timed.told[0], timed.seen[0]) == pytest.approx((0.2, 0.21))


def test_a_first_token_that_was_thought_about_is_held_without_the_thinking(tmp_path: Path) -> None:
    profile: ModelProfile = profile_of(THINKS, tmp_path, ModelProfile)
    (timed,) = model_times("mine", profile, [answered(0.35, 0.4, 40)], 0)
    assert timed.seen[0] == pytest.approx(0.201)


def test_rates_that_differ_are_held_apart(tmp_path: Path) -> None:
    text = CHAT.replace("tokens_per_s = 200.0", "tokens_per_s = 200.0\ntokens_per_s_p1 = 100.0")
    profile: ModelProfile = profile_of(text, tmp_path, ModelProfile)
    delays, latency = Delays(1, "openai"), profile.latency
    found = []
    for n in range(500):
        key = DrawKey(-1, n, 0, "foreign", 1)
        first = delays.ttft_s(key, latency)
        found.append(answered(first, first + 40 / delays.rate(key, latency), 40))
    first_token, token = model_times("mine", profile, found, 0)
    assert first_token.told is None and token.told is None
    assert isinstance(token.law, Lognormal) and token.law.p50 == pytest.approx(1 / 200)
    assert np.median(token.error) == pytest.approx(0.001 / 40)
    assert {check(one).verdict for one in (first_token, token)} == {"PASS"}


# As a command


def test_a_file_that_is_named_as_another_profile_is_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "flat.toml"
    file.write_text((FOLDER / "stripe.toml").read_text("utf-8"))
    held: list[object] = []

    def hold(asked: list[tuple[str, object]], *_: object) -> list[Any]:
        held.extend(profile for _, profile in asked)
        return []

    monkeypatch.setattr(mocks_check, "_checked", hold)
    monkeypatch.setattr(mocks_check, "run", lambda _, found: found)
    check_profiles(
        Options(profiles=["gpt-4o", str(file)], samples="100", url=None, seed="1", as_json=True)
    )
    assert held == [load("gpt-4o", ModelProfile), load(str(file), PaymentProfile)]


@pytest.mark.thorough
@pytest.mark.socket
def test_a_few_calls_are_not_enough_to_tell(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text(PAY)
    done = tollbench("mocks", "check", "quick.toml", "--samples", "20", "--json", cwd=tmp_path)
    (found,) = told(done.out)
    assert (done.code, found["verdict"], found["n"], found["failed"]) == (3, "CANNOT TELL", 20, 0)
    assert found["because"] == "20 calls are too few to tell p99"
    assert 0 <= found["error_p50_ms"] < 1000


@pytest.mark.slow
@pytest.mark.socket
def test_our_own_mocks_hold(tmp_path: Path) -> None:
    texts = {"pay": PAY, "opening": OPENING, "chat": CHAT, "thinks": THINKS, "hop": HOP}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    files = [f"{name}.toml" for name in texts]
    done = tollbench("mocks", "check", *files, "--samples", "450", cwd=tmp_path)
    assert done.code in (0, 3), done.out + done.err
    assert "DOES NOT HOLD" not in done.out
    # What a mock means to take hangs on no machine.
    assert done.out.count("PASS") + done.out.count("it means to take the right times") == 5
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.socket
def test_mocks_that_are_served_by_another_profile_do_not_hold(tmp_path: Path) -> None:
    (tmp_path / "usual.toml").write_text(PAY)
    (tmp_path / "slower.toml").write_text(SLOWER)
    with serving(tmp_path, "--profile", "slower.toml") as run:
        done = tollbench(
            "mocks", "check", "usual.toml", "--url", run.told["base_url"], "--samples", "400",
            "--json", cwd=tmp_path,
        )  # fmt: skip
        right = tollbench(
            "mocks", "check", "slower.toml", "--url", run.told["base_url"], "--samples", "400",
            "--json", cwd=tmp_path,
        )  # fmt: skip
    assert (done.code, told(done.out)[0]["verdict"]) == (1, "DOES NOT HOLD")
    assert told(right.out)[0]["verdict"] != "DOES NOT HOLD"


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown profile": ({"profiles": ["nothing"]}, "unknown profile 'nothing'"),
    "no number": ({"samples": "many"}, "--samples must be a whole number"),
    "too few": ({"samples": "3"}, "--samples must be a whole number from 20"),
    "no address": ({"url": "mocks"}, "--url must be http://"),
    "what has no times": ({"profiles": ["exchange"]}, "exchange holds no times"),
    "a gateway elsewhere": (
        {"profiles": ["litellm"], "url": "http://127.0.0.1:9"},
        "leave --url out",
    ),
    "one provider twice": ({"profiles": ["stripe-list", "stripe"]}, "for the same"),
}


@pytest.mark.parametrize("why", MISTAKES)
def test_a_mistake_is_told_in_a_line(why: str) -> None:
    changed, says = MISTAKES[why]
    usual: dict[str, Any] = {"profiles": ["flat"], "samples": "20", "url": None, "seed": "1"}
    with pytest.raises(BadInput) as caught:
        check_profiles(Options(**{**usual, "as_json": True, **changed}))
    assert any(says in problem for problem in caught.value.problems)
