"""What the options of a conducted run mean, and every mistake in them told at once, with a mend."""

from pathlib import Path

import pytest
from msgspec import structs

from harness.cli.asked import Asked, base_url_of, checked_of, name_of, read, setup_of, targets_of
from harness.cli.exits import BadInput

APP = Asked(scenario="app-chat", host="http://127.0.0.1:9")
STAGING = Asked(targets="staging", host="https://staging.example/below/")


def _wrong(asked: Asked) -> list[str]:
    with pytest.raises(BadInput) as raised:
        read(asked)
    return raised.value.problems


@pytest.mark.parametrize(
    ("strategy", "names"),
    [
        ("baseline", ["baseline"]),
        ("token-cache,prewarm", ["prewarm+token_cache"]),
        ("baseline vs prewarm,token_cache", ["baseline", "prewarm+token_cache"]),
        (" prewarm  vs  baseline vs token_cache ", ["prewarm", "baseline", "token_cache"]),
    ],
)
def test_strategies_are_variants_in_the_order_in_which_they_were_written(
    strategy: str, names: list[str]
) -> None:
    assert [variant.name for variant in setup_of(Asked(strategy=strategy)).variants] == names
    assert checked_of(Asked(strategy=strategy)).strategies == names


@pytest.mark.parametrize(
    ("asked", "targets", "base_url", "name"),
    [
        (Asked(), "mock", "", "conversation"),
        (STAGING, "staging", "https://staging.example/below", "conversation"),
        (APP, "staging", "http://127.0.0.1:9", "app-chat"),
        (structs.replace(APP, scenario="app_chat"), "staging", "http://127.0.0.1:9", "app-chat"),
        (structs.replace(APP, targets="mock"), "staging", "http://127.0.0.1:9", "app-chat"),
    ],
)
def test_who_is_loaded_and_where(asked: Asked, targets: str, base_url: str, name: str) -> None:
    assert (targets_of(asked), base_url_of(asked), name_of(asked)) == (targets, base_url, name)


def test_mocks_are_to_be_served_only_where_nobody_is_there_yet() -> None:
    mocked = checked_of(Asked(seed="7", think_scale="0.5", pay="flat+stripe"))
    assert mocked.mocks is not None
    assert (mocked.mocks.seed, mocked.mocks.lifetime_scale) == (7, 0.5)
    assert set(mocked.mocks.pay) == {"flat", "stripe"}
    assert (mocked.base_url, mocked.scenario) == ("", "conversation")
    assert checked_of(STAGING).mocks is None
    app = checked_of(APP)
    assert (app.mocks, app.base_url, app.strategies) == (None, "http://127.0.0.1:9", ["app"])


def test_an_empty_field_of_a_form_is_one_that_was_not_filled_in() -> None:
    empty = dict.fromkeys(("slo", "mocks_url", "think_scale", "pay", "intent", "gateway"), "")
    assert setup_of(structs.replace(Asked(), **empty)) == setup_of(Asked())


MISTAKES = [
    (Asked(strategy="nonsense"), "'nonsense'"),
    (Asked(strategy="baseline vs"), "names no mitigation"),
    (Asked(strategy="prewarm vs baseline vs prewarm"), "names prewarm twice; keep one"),
    (Asked(flow_rate="0"), "--flow-rate must be"),
    (Asked(seed="x"), "--seed must be"),
    (Asked(param=["turns"]), "NAME=VALUE"),
    (Asked(scenario="nowhere"), "'nowhere'"),
    (Asked(slo="p99<3s,oops"), "--slo: 'oops' is no promise"),
    (Asked(targets="real"), "--targets real: the environment opens nobody whom this run asks"),
    (Asked(targets="moon"), "--targets must be mock, staging or real, not 'moon'"),
    (Asked(targets="staging"), "--host is missing: name where the providers answer"),
    (Asked(targets="mock", host="http://left.over"), "--host is where staging answers: add"),
    (Asked(targets="staging", host="staging"), "--host must be http:// or https://"),
    (Asked(targets="staging", host="http://x/?a=b"), "end it before the ? or #"),
    (Asked(mocks_url="http://x"), "--mocks-url is only for --scenario app-chat"),
    (structs.replace(APP, host=""), "--host is missing: name where the app answers"),
    (structs.replace(APP, targets="real"), "--targets real"),
    (structs.replace(APP, strategy="prewarm"), "--strategy prewarm: the app has its own"),
    (structs.replace(APP, mocks_url="x"), "--mocks-url must be http://"),
    (structs.replace(APP, pay="flat", intent="x"), "--pay, --intent: the app chooses who plays"),
    (structs.replace(APP, seed="x"), "--seed must be"),
]


@pytest.mark.parametrize(("asked", "words"), MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_mistake_is_one_line_with_its_mend(asked: Asked, words: str) -> None:
    (line,) = _wrong(asked)
    assert words in line
    assert "\n" not in line


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    asked = Asked(
        strategy="nonsense vs baseline vs baseline", flow_rate="0", seed="x", param=["turns"],
        targets="staging", slo="a,b", out=str(file), mocks_url="http://x",
    )  # fmt: skip
    words = ["--flow-rate", "--out", "--slo", "--slo", "--mocks-url", "--host", "nonsense"]
    lines = _wrong(asked)
    assert len(lines) == 9
    for line, word in zip(lines, [*words, "--seed", "turns"], strict=True):
        assert word in line


@pytest.mark.parametrize("option", ["host", "mocks_url"])
@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("http://user:hunter2@x", "leave them out"),
        ("https://hunter2@x/below", "leave them out"),
        ("ftp://user:hunter2@x", "leave them out"),
        ("http://user:hunter2@x?a=b", "leave them out"),
        ("http://x/?key=hunter2", "end it before the ? or #"),
        ("http://x/#hunter2", "end it before the ? or #"),
        ("http://x/?", "end it before the ? or #"),
        ("http://user:hunter2@127.0.0.1:808O", "must be http:// or https:// with a host"),
        ("user:hunter2@x", "must be http:// or https:// with a host"),
        ("http://x:port/?key=hunter2", "must be http:// or https:// with a host"),
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_shown(
    option: str, text: str, mend: str
) -> None:
    for targets in ("staging", "mock"):
        (line,) = _wrong(structs.replace(APP, **{"targets": targets, option: text}))
        assert line.startswith(f"--{option.replace('_', '-')}") and mend in line
        assert "hunter2" not in line


def test_real_targets_are_no_host_and_want_credentials() -> None:
    host, nobody = _wrong(Asked(targets="real", host="http://left.over"))
    assert host.startswith("--host is where staging answers: real providers have hosts")
    assert "set OPENAI_API_KEY" in nobody


def test_a_run_on_real_targets_starts_mocks_for_whoever_is_not_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-nobody")
    found = checked_of(Asked(targets="real"))
    assert (targets_of(Asked(targets="real")), found.base_url) == ("real", "")
    assert found.mocks is not None
    assert set(found.mocks.pay) == {"wechat-ai"}
