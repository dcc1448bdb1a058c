"""`tollbench mocks fit`: from a file of times to a profile that everything else takes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs

from harness.cli.exits import BadInput
from harness.cli.fitted_profile import text_of
from harness.cli.mocks_fit import Options, fit_profile
from harness.laws import Law, Lognormal, Stalling
from mocks.profile import (
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    Profile,
    fingerprint,
    load,
    names,
)
from tests.cli.command import tollbench

LAW = Stalling(Lognormal(300.0, 800.0), 0.1, Lognormal(3000.0, 6000.0))
STEADY = Lognormal(300.0, 800.0)


@dataclass(frozen=True)
class Folder:
    """Where the files are, and what was printed about them."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    def csv(self, name: str, rows: Sequence[str], header: str) -> str:
        (self.path / name).write_text("\n".join([header, *rows]) + "\n")
        return name

    def payments(self, law: Law = LAW, n: int = 400, name: str = "calls.csv") -> str:
        return self.csv(name, [f"{ms:.3f}" for ms in times(law, n)], "total_ms")

    def streams(self, n: int = 300, model: str = "gpt-4o-2024-08-06") -> str:
        rows = [
            f"openai,{model},intent,{first:.3f},{first + 40 * 1e3 / rate:.3f},40"
            for first, rate in zip(times(LAW, n), 1 / times(Lognormal(1 / 80, 1 / 60), n, 2),
                                   strict=True)
        ]  # fmt: skip
        return self.csv("streams.csv", rows, "provider,model,stage,ttft_ms,total_ms,tokens")

    def fit(self, *sources: str, stages: Sequence[str] = (), **options: Any) -> dict[str, Any]:
        given: dict[str, Any] = dict.fromkeys(("provider", "model", "like", "name", "out"))
        asked = Options(
            **{**given, "force": False, "as_json": True, **options}, sources=sources, stages=stages
        )
        assert fit_profile(asked) == 0
        told: dict[str, Any] = msgspec.json.decode(self.capsys.readouterr().out)
        return told


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path, capsys)


def times(law: Law, n: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """As the law has them, in no order that means anything."""
    exact = np.array([law.quantile((k + 0.5) / n) for k in range(n)])
    return np.random.default_rng(seed).permutation(exact)


def near(law: Law, other: Law, most: float = 0.03) -> bool:
    return all(abs(law.quantile(q) / other.quantile(q) - 1) < most for q in (0.5, 0.97, 0.99))


# What is written


def test_a_payments_overhead_is_that_of_its_calls(folder: Folder) -> None:
    told = folder.fit(folder.payments(), provider="flat")
    profile = load(told["profile"], PaymentProfile)
    assert near(profile.overhead.law_ms(), LAW)
    (part,) = told["parts"]
    assert (part["times"], part["n"], part["law"]) == ("transaction", 400, "stalls")
    assert [of["q"] for of in part["quantiles"]] == [0.5, 0.95, 0.99]
    assert all(of["lo_ms"] <= of["seen_ms"] <= of["hi_ms"] for of in part["quantiles"])


def test_what_is_not_measured_is_that_of_the_shipped_profile(folder: Folder) -> None:
    profile = load(folder.fit(folder.payments(), provider="flat")["profile"], PaymentProfile)
    shipped = load("flat", PaymentProfile)
    assert (profile.fee, profile.limits) == (shipped.fee, shipped.limits)


def test_a_fitted_figure_says_what_it_was_measured_on(folder: Folder) -> None:
    source = folder.payments()
    os.utime(source, (1_790_000_000, 1_790_000_000))
    profile = load(folder.fit(source, provider="flat")["profile"], PaymentProfile)
    overhead = profile.overhead
    assert overhead.provenance == "measured"
    assert overhead.source.startswith("calls.csv (csv, 400 calls, sha256 ")
    assert overhead.date.isoformat() == "2026-09-21"


def test_the_file_tells_how_far_the_law_is_off(folder: Folder) -> None:
    text = Path(folder.fit(folder.payments(), provider="flat")["profile"]).read_text()
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert any("lognormal with stalls, KS 0.0" in line for line in comments)
    assert (
        sum(f"p{q} " in line and "the law" in line for line in comments for q in (50, 95, 99)) == 3
    )


def test_a_transaction_is_what_its_sessions_share_leaves_of_the_whole(folder: Folder) -> None:
    source = folder.payments(STEADY)
    profile = load(folder.fit(source, provider="wechat-ai")["profile"], PaymentProfile)
    assert profile.session is not None and profile.session.share == 0.4
    assert near(profile.overhead.law_ms().times(0.6), STEADY)


def test_a_session_that_was_timed_tells_its_share(folder: Folder) -> None:
    rows = [
        f"{stage},{ms:.3f}"
        for stage, factor in (("pay", 1.0), ("session", 0.25))
        for ms in times(STEADY, 300) * factor
    ]
    told = folder.fit(folder.csv("c.csv", rows, "stage,total_ms"), provider="wechat-ai")
    profile = load(told["profile"], PaymentProfile)
    assert profile.session is not None
    assert profile.session.share == pytest.approx(0.2, abs=0.001)
    assert profile.session.lifetime_s == 900
    assert profile.session.provenance == "assumed" and "measured" in profile.session.source
    assert near(profile.overhead.law_ms(), STEADY.times(1.25))


def test_a_session_that_takes_all_the_time_leaves_some(folder: Folder) -> None:
    rows = [f"pay,{n / 1e3}\nsession,{9e4 + n}" for n in range(1, 10)]
    told = folder.fit(folder.csv("c.csv", rows, "stage,total_ms"), provider="wechat-ai")
    profile = load(told["profile"], PaymentProfile)
    assert profile.session is not None and profile.session.share == 0.9999


def test_a_session_that_is_said_to_be_all_must_be_timed(folder: Folder) -> None:
    shipped = load("wechat-ai", PaymentProfile)
    assert shipped.session is not None
    all_of_it = structs.replace(shipped, session=structs.replace(shipped.session, share=1.0))
    Path("mine.toml").write_text(text_of(all_of_it, [], {}))
    with pytest.raises(BadInput, match="time them too"):
        folder.fit(folder.payments(n=30), like="mine.toml")


def test_a_very_slow_rate_is_told_to_its_digits(folder: Folder) -> None:
    token_ms = times(Lognormal(30_000.0, 31_000.0), 60)
    rows = [f"openai,gpt-4o,500,{500 + 40 * each:.3f},40" for each in token_ms]
    source = folder.csv("slow.csv", rows, "provider,model,ttft_ms,total_ms,tokens")
    latency = load(folder.fit(source)["profile"], ModelProfile).latency
    assert latency.tokens_per_s == pytest.approx(1 / 30, rel=0.01)
    assert latency.tokens_per_s_p1 == pytest.approx(1 / 31, rel=0.01)


def test_a_models_latency_is_that_of_its_streams(folder: Folder) -> None:
    told = folder.fit(folder.streams())
    assert told["profile"] == "gpt-4o-2024-08-06-measured.toml"
    profile = load(told["profile"], ModelProfile)
    assert near(profile.latency.law_ms(), LAW)
    assert profile.latency.tokens_per_s == pytest.approx(80, rel=0.01)
    assert profile.latency.tokens_per_s_p1 == pytest.approx(60, rel=0.02)
    assert profile.price == load("gpt-4o", ModelProfile).price


def test_a_steady_rate_stays_one_figure(folder: Folder) -> None:
    rows = [f"openai,gpt-4o,{ms:.3f},{ms + 500:.3f},40" for ms in times(STEADY, 100)]
    source = folder.csv("steady.csv", rows, "provider,model,ttft_ms,total_ms,tokens")
    latency = load(folder.fit(source)["profile"], ModelProfile).latency
    assert latency.tokens_per_s == pytest.approx(80, rel=1e-4)
    assert latency.tokens_per_s_p1 is msgspec.UNSET


def test_a_model_that_nothing_is_like_has_a_latency_and_no_price(folder: Folder) -> None:
    told = folder.fit(folder.streams(model="gpt-99"))
    profile = load(told["profile"], ModelProfile)
    assert (profile.provider, profile.model, profile.price) == ("openai", "gpt-99", None)
    assert "no shipped profile is like it" in told["notes"][-1]


def test_whole_answers_are_the_first_token_of_a_model_without_a_rate(folder: Folder) -> None:
    told = folder.fit(folder.payments(STEADY), provider="openai", model="gpt-4o", name="mine")
    latency = load("mine.toml", ModelProfile).latency
    assert near(latency.law_ms(), STEADY) and latency.tokens_per_s == 1_000_000
    assert any("no streams were timed" in note for note in told["notes"])


def test_quantiles_as_seen_are_written_and_loaded(folder: Folder) -> None:
    rng = np.random.default_rng(3)
    kinds = rng.choice([100, 400, 1500], 900, p=[0.5, 0.35, 0.15]) * rng.lognormal(0, 0.1, 900)
    source = folder.csv("kinds.csv", [f"{ms:.3f}" for ms in kinds], "total_ms")
    told = folder.fit(source, provider="stripe")
    assert told["parts"][0]["law"] == "quantiles"
    overhead = load(told["profile"], PaymentProfile).overhead
    for q in (0.25, 0.7, 0.95, 0.99):
        assert overhead.law_ms().quantile(q) == pytest.approx(np.quantile(kinds, q), rel=0.02)


def test_several_files_are_one_sample(folder: Folder) -> None:
    sources = folder.payments(n=100), folder.payments(n=200, name="more.csv")
    told = folder.fit(*sources, provider="flat", name="both")
    assert told["parts"][0]["n"] == 300
    source = load("both.toml", PaymentProfile).overhead.source
    assert "calls.csv" in source and "more.csv" in source


def test_times_that_hang_on_their_place_are_told(folder: Folder) -> None:
    rising = times(STEADY, 300) * np.linspace(1, 3, 300)
    source = folder.csv("rising.csv", [f"{ms:.3f}" for ms in rising], "total_ms")
    assert any("hang on when" in note for note in folder.fit(source, provider="flat")["notes"])


SHIPPED: dict[str, Profile] = {
    **{name: load(name, PaymentProfile) for name in names(PaymentProfile)},
    **{name: load(name, ModelProfile) for name in names(ModelProfile)},
    **{name: load(name, GatewayProfile) for name in names(GatewayProfile)},
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_is_written_so_that_it_is_read_again(name: str, tmp_path: Path) -> None:
    profile = SHIPPED[name]
    kind = type(profile)
    (tmp_path / "again.toml").write_text(text_of(profile, ["A line."], {}), "utf-8")
    again = load(str(tmp_path / "again.toml"), kind)  # type: ignore[type-var]  # one of the four
    assert again == profile and fingerprint(again) == fingerprint(profile)


# As a command


@pytest.mark.thorough
def test_a_fitted_profile_is_compared_by(folder: Folder) -> None:
    source, streams = folder.payments(), folder.streams()
    done = tollbench("mocks", "fit", source, "--provider", "flat", cwd=folder.path)
    assert (done.code, done.err) == (0, "")
    assert "lognormal with stalls" in done.out and max(map(len, done.out.splitlines())) <= 80
    assert tollbench("mocks", "fit", streams, "--name", "mine", cwd=folder.path).code == 0
    options = ("--pay", "flat-measured.toml", "--intent", "mine.toml", "--flows", "8")
    run = tollbench("compare", *options, "--rounds", "2", cwd=folder.path)
    assert run.code in (0, 3), run.err
    summary, _ = run.stored
    assert {"flat-measured", "mine"} <= set(summary.profiles)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no such file": ({"sources": ["gone.csv"]}, "gone.csv"),
    "nobody's calls": ({}, "name them with --provider"),
    "a provider that is none of ours": ({"provider": "paypal"}, "with --like"),
    "a gateway": ({"provider": "litellm", "model": "gpt-4o"}, "pairs of calls"),
    "like a gateway": ({"like": "litellm"}, "--like: 'litellm' is no profile of a payment"),
    "like nothing": ({"like": "nothing"}, "is no profile of a payment or model: take "),
    "a stage without a figure": ({"provider": "flat", "stages": ["pay"]}, "NAME=FIGURE"),
    "a figure that is none": ({"provider": "flat", "stages": ["pay=fee"]}, "overhead, session"),
    "a name with a folder": ({"provider": "flat", "name": "a/b"}, "--name"),
    "a file that is there": ({"provider": "flat", "out": "old.csv"}, "take --force"),
    "what is fitted": (
        {"provider": "flat", "out": "calls.csv", "force": True},
        "is what is fitted",
    ),
    "a file named twice": ({"provider": "flat", "sources": ["calls.csv"] * 2}, "name it once"),
    "a folder that is not": ({"provider": "flat", "out": "no/x.toml"}, "--out: no/x.toml"),
}


@pytest.mark.parametrize("why", MISTAKES)
def test_a_mistake_is_told_in_a_line_and_writes_nothing(why: str, folder: Folder) -> None:
    options, says = MISTAKES[why]
    source = folder.payments(n=30)
    folder.payments(n=30, name="old.csv")
    sources = options.get("sources", [source])
    with pytest.raises(BadInput) as caught:
        folder.fit(*sources, **{name: of for name, of in options.items() if name != "sources"})
    (problem,) = caught.value.problems
    assert says in problem and "\n" not in problem
    assert not list(folder.path.glob("*.toml"))


def test_what_a_foreign_file_says_stays_in_its_line(folder: Folder) -> None:
    """A line end would end the comment that names a stage; what follows would be a profile's."""
    rows = [f'flat,"pay\n[limits]\x1b[31m",{ms:.3f}' for ms in times(STEADY, 30)]
    source = folder.csv("rows.csv", rows, "provider,stage,total_ms")
    profile = load(folder.fit(source)["profile"], PaymentProfile)
    assert profile.limits == load("flat", PaymentProfile).limits


@pytest.mark.parametrize("model", ["../../a b", "\0\x1b", "x" * 999])
def test_a_file_is_named_after_a_model_of_any_name(model: str, folder: Folder) -> None:
    told = folder.fit(folder.streams(60, model=model))
    assert len(told["profile"]) < 150 and (folder.path / told["profile"]).is_file()


def test_a_stage_may_have_any_name(folder: Folder) -> None:
    rows = [f"a=b,{ms:.3f}" for ms in times(STEADY, 30)] + [f"c,{n}" for n in range(1, 9)]
    told = folder.fit(
        folder.csv("rows.csv", rows, "stage,total_ms"), provider="flat", stages=["a=b=overhead"]
    )
    assert told["parts"][0]["n"] == 30


def test_a_file_is_written_over_only_by_force(folder: Folder) -> None:
    source = folder.payments(n=30)
    folder.fit(source, provider="flat")
    with pytest.raises(BadInput, match="is there already"):
        folder.fit(source, provider="flat")
    folder.fit(source, provider="flat", force=True)
