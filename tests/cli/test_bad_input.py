"""Input that cannot be used: exit code 2, a line for each mistake with its mend, no traceback."""

import os
import socket
import sys
from pathlib import Path

import pytest

from harness.cli import main
from tests.cli.command import tollbench
from tests.cli.quick import write_profiles

COMPARE = ("compare",)
CERTAIN = ("compare", "--until-certain")
LOAD = ("load", "conversation", "--rate", "1", "--duration", "1")
HTTP = ("load", "http", "--rate", "1", "--duration", "1")
URL = ("--url", "http://127.0.0.1:1/")

FILES = {
    "syntax.py": "def broken(:\n",
    "raises.py": "raise ValueError('one\\ntwo')\n",
    "exits.py": "import sys\nsys.exit(0)\n",
    "none.py": "from scenarios.conversation import Conversation\n",
    "two.py": "".join(
        "from dataclasses import dataclass\n"
        f"@dataclass\nclass {name}:\n"
        "    turns: int = 1\n"
        "    usual_method: str = 'balance'\n"
        "    async def run(self, chat, agent): ...\n"
        for name in ("One", "Two")
    ),
    "still.py": "from dataclasses import dataclass\n"
    "@dataclass\nclass Still:\n"
    "    turns: int = 0\n"
    "    usual_method: str = 'balance'\n"
    "    async def run(self, chat, agent): ...\n",
    "needy.py": "from dataclasses import dataclass\n"
    "@dataclass\nclass Needy:\n"
    "    needed: int\n"
    "    turns: int = 1\n"
    "    usual_method: str = 'balance'\n"
    "    async def run(self, chat, agent): ...\n",
    "file": "",
    "no.toml": "provider = = 1\n",
    "binary.toml": "\xff\xfe",
}

# What is wrong, the command, and what its one line must hold: the option, and the mend.
MISTAKES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("a scenario nobody knows", ("compare", "bogus"), ("'bogus'", "conversation", ".py")),
    ("a scenario file that is not there", ("compare", "gone.py"), ("'gone.py'", "path to a .py")),
    ("a folder for a scenario", ("compare", "folder.py"), ("'folder.py'", "path to a .py")),
    ("a scenario with a syntax error", ("compare", "syntax.py"), ("SyntaxError", "line 1")),
    ("a scenario that raises two lines", ("compare", "raises.py"), ("ValueError: one two",)),
    ("a scenario that exits", ("compare", "exits.py"), ("exits.py cannot be loaded", "SystemExit")),
    ("a file without a scenario", ("compare", "none.py"), ("defines 0 scenarios", "turns")),
    ("a file with two scenarios", ("compare", "two.py"), ("defines 2 scenarios", "needs one")),
    ("a scenario without turns", ("compare", "still.py"), ("turns must be at least 1", "not 0")),
    ("a scenario that needs a parameter", ("compare", "needy.py"), ("--set", "'needed'")),
    ("an unknown payment profile", (*COMPARE, "--pay", "x"), ("--pay", "'x'", "wechat-ai")),
    ("an unknown reader", (*COMPARE, "--intent", "x"), ("--intent", "'x'", "gpt-4o", "TOML file")),
    ("an unknown teller", (*COMPARE, "--confirm", "x"), ("--confirm", "'x'", "gpt-4o")),
    ("a model that pays", (*COMPARE, "--pay", "gpt-4o"), ("--pay", "is a model", "wechat-ai")),
    ("a gateway that pays", (*COMPARE, "--pay", "litellm"), ("--pay", "is a gateway", "flat")),
    ("a lane nobody knows", (*COMPARE, "--pay", "flat+x"), ("--pay", "'x'", "wechat-ai")),
    ("a lane without a name", (*COMPARE, "--pay", "flat+"), ("--pay", "''", "wechat-ai")),
    ("an unknown reasoner", (*COMPARE, "--reason", "x"), ("--reason", "'x'", "gpt-4o")),
    ("an unknown scorer", (*COMPARE, "--score", "x"), ("--score", "'x'", "mistral-small")),
    ("a payment that reads", (*COMPARE, "--intent", "wechat-ai"), ("--intent", "take", "gpt-4o")),
    ("no TOML", (*COMPARE, "--pay", "no.toml"), ("--pay: no.toml is not TOML", "line 1")),
    ("no text", (*COMPARE, "--confirm", "binary.toml"), ("--confirm: binary.toml is not TOML",)),
    ("a model's file that pays", (*COMPARE, "--pay", "model.toml"), ("--pay: model", "provider")),
    ("a folder for a profile", (*COMPARE, "--pay", "."), ("--pay", "'.'", "path to a TOML file")),
    ("an unknown mitigation", (*COMPARE, "--vary", "x"), ("--vary", "'x'", "take prewarm, token")),
    ("one twice", (*COMPARE, "--vary", "token-cache,token_cache"), ("--vary", "twice")),
    ("nothing to vary", (*COMPARE, "--vary", ""), ("--vary", "take prewarm, token_cache")),
    ("only commas", (*COMPARE, "--vary", ", ,"), ("--vary", "take prewarm, token_cache")),
    ("more rounds than turns", (*COMPARE, "--flows", "3", "--rounds", "4"), ("--flows 3", "more")),
    ("a file for a folder", (*COMPARE, "--out", "file"), ("--out: file", "name another")),
    ("a folder in a file", (*COMPARE, "--out", "file/x"), ("--out: ", "file is no folder")),
    ("a link to nowhere", (*COMPARE, "--out", "dangling"), ("--out: dangling", "name another")),
    ("latest is taken", (*COMPARE, "--out", "taken"), ("--out: taken/latest", "move it away")),
    ("no equals sign", (*COMPARE, "--set", "turns"), ("--set turns", "NAME=VALUE")),
    ("an unknown parameter", (*COMPARE, "--set", "x=1"), ("--set", "'x'", "there are turns")),
    ("a word for a number", (*COMPARE, "--set", "turns=two"), ("--set turns", "a whole number")),
    ("a part of a turn", (*COMPARE, "--set", "turns=2.5"), ("--set turns", "a whole number")),
    ("no number", (*COMPARE, "--set", "idle_share=nan"), ("--set idle_share", "a number")),
    ("set twice", (*COMPARE, "--set", "turns=2", "--set", "turns=3"), ("--set turns", "keep one")),
    ("no turns", (*COMPARE, "--set", "turns=0"), ("--set", "turns must be at least 1")),
    ("turns below nought", (*COMPARE, "--set", "turns=-1"), ("turns must be at least 1",)),
    ("a share above 1", (*COMPARE, "--set", "idle_share=1.01"), ("share must be from 0 to 1",)),
    ("a share below 0", (*COMPARE, "--set", "switch_share=-0.1"), ("share must be from 0 to 1",)),
    ("amounts upside down", (*COMPARE, "--set", "amount_max_minor=1"), ("amount_max_minor not",)),
    ("nothing to pay", (*COMPARE, "--set", "amount_min_minor=0"), ("must be at least 1",)),
    ("a method nobody has", (*COMPARE, "--set", "usual_method=gold"), ("balance or card",)),
    ("thinking back", (*COMPARE, "--set", "think_p50_s=-1"), ("think_p50_s must be above 0",)),
    ("a tail below the median", (*COMPARE, "--set", "think_p99_s=1"), ("think_p99_s not below",)),
    ("no time at all", (*COMPARE, "--set", "idle_min_s=0"), ("idle_min_s must be above 0",)),
    ("idling for ages", (*COMPARE, "--set", "idle_max_s=1e300"), ("neither above 30 days",)),
    ("one provider", ("compare", "checkout", "--providers", "--pay", "flat"), ("at least two",)),
    ("one twice", ("compare", "checkout", "--providers", "--pay", "flat,flat"), ("each once",)),
    ("a strategy", ("compare", "checkout", "--strategy", "prewarm"), ("--providers",)),
    ("both", ("compare", "checkout", "--providers", "--vary", "prewarm"), ("leave it out",)),
    ("no session", (*COMPARE, "--pay", "flat", "--sweep-session-share"), ("with sessions",)),
    ("a tip too large", ("compare", "tipping", "--set", "amount_max_minor=1000"), ("a tip is",)),
    ("a crowd", ("compare", "split_bill", "--set", "people_max=9"), ("people_max must be from 2",)),
    ("a bill for one", ("compare", "split_bill", "--set", "people_max=1"), ("people_max must be",)),
    ("a leg of nothing", ("compare", "split_bill", "--set", "amount_min_minor=5"), ("people_max",)),
    ("a score above all", ("compare", "fraud_checked", "--set", "most_score=101"), ("to 100",)),
    ("a limit below nought", ("compare", "routed", "--set", "limit_minor=-1"), ("limit_minor",)),
    ("down for ever", ("compare", "failover", "--set", "down_for_s=1e300"), ("to 30 days",)),
    ("a way nobody has", ("compare", "method_switch", "--set", "usual_method=x"), ("or card",)),
    ("thinking for ages", ("compare", "refund", "--set", "think_s=1e300"), ("to 30 days",)),
    ("a third clock", (*COMPARE, "--clock", "sun"), ("--clock", "virtual or real", "'sun'")),
    ("no percentile", (*COMPARE, "--quantiles", ","), ("--quantiles names no", "50,95,99")),
    ("a percentile twice", (*COMPARE, "--quantiles", "50,p50"), ("names a percentile twice",)),
    ("a percentile beyond all", (*COMPARE, "--quantiles", "50,100"), ("from 1 to 99.999", "'100'")),
    ("a percentile in words", (*COMPARE, "--quantiles", "50,most"), ("--quantiles", "'most'")),
    ("a primary that is none", (*COMPARE, "--primary", "p0"), ("--primary", "as p95", "'p0'")),
    ("another primary", (*COMPARE, "--primary", "90"), ("not among --quantiles", "add it there")),
    ("no usual primary", (*COMPARE, "--quantiles", "95"), ("--primary p50", "take one of them")),
    ("a tolerance of nothing", (*COMPARE, "--tolerance", ""), ("--tolerance", "5% or 40ms")),
    ("a bare tolerance", (*COMPARE, "--tolerance", "5"), ("--tolerance", "5% or 40ms", "'5'")),
    ("a tolerance below 0", (*COMPARE, "--tolerance", "-5%"), ("--tolerance", "'-5%'")),
    ("a tolerance of all", (*COMPARE, "--tolerance", "100%"), ("--tolerance", "at most 99%")),
    ("a tolerance of hours", (*COMPARE, "--tolerance", "9e9ms"), ("--tolerance", "5% or 40ms")),
    ("looks at nothing", (*COMPARE, "--looks", "5"), ("--looks is for --until-certain",)),
    ("one look", (*CERTAIN, "--looks", "1"), ("--looks", "from 2 to 20", "'1'")),
    ("a look too early", (*CERTAIN, "--rounds", "9"), ("--until-certain", "10 rounds or more")),
    ("looks on one round", (*CERTAIN, "--rounds", "11", "--looks", "20"), ("take fewer looks",)),
    ("certain of no one", (*CERTAIN, "--providers"), ("--until-certain", "not for --providers")),
    ("a primary of no one", (*COMPARE, "--providers", "--primary", "p50"), ("--primary is not",)),
    ("four runs at once", (*CERTAIN, "--sweep-session-share"), ("leave one of them out",)),
    ("an unknown option", (*COMPARE, "--flwos", "3"), ("--flwos", "--flows")),
    ("an option without its value", (*COMPARE, "--set"), ("--set", "requires an argument")),
    ("an argument too many", (*COMPARE, "conversation", "x"), ("(x)", "--help")),
    ("an unknown verb", ("measure",), ("'measure'", "--help")),
    ("no scenario", ("load",), ("SCENARIO", "--help")),
    ("no rate", ("load", "conversation", "--duration", "1"), ("--rate is missing", "--rate 20")),
    ("no duration", ("load", "conversation", "--rate", "1"), ("--duration is missing", "10")),
    ("an unknown strategy", (*LOAD, "--strategy", "x"), ("--strategy", "'x'", "take prewarm")),
    ("a URL for a scenario", (*LOAD, *URL), ("--url", "leave it out")),
    ("a probe of nothing", HTTP, ("--url is missing", "http://")),
    ("a probe by ftp", (*HTTP, "--url", "ftp://x/"), ("--url", "https://", "'ftp://x/'")),
    ("a probe of no host", (*HTTP, "--url", "http:///x"), ("--url", "host")),
    ("a port beyond all", (*HTTP, "--url", "http://x:99999/"), ("--url", "'http://x:99999/'")),
    ("half an address", (*HTTP, "--url", "http://[::1"), ("--url", "'http://[::1'")),
    ("a port on the virtual clock", (*COMPARE, "--port", "8080"), ("--port", "leave it out")),
    ("a port that cannot be", (*LOAD, "--port", "0"), ("--port", "from 1 to 65,535", "'0'")),
    ("a virtual URL", (*HTTP, *URL, "--clock", "virtual"), ("--clock virtual", "leave it out")),
    ("a strategy of a URL", (*HTTP, *URL, "--strategy", "prewarm"), ("--strategy", "only probes")),
    ("a payer of a URL", (*HTTP, *URL, "--pay", "flat"), ("only probes", "nobody who plays")),
]  # fmt: skip

NUMBERS = [
    (*COMPARE, "--flows"),
    (*COMPARE, "--rounds"),
    (*COMPARE, "--seed"),
    (*COMPARE, "--rate"),
    (*COMPARE, "--think-scale"),
    (*COMPARE, "--jobs"),
    (*CERTAIN, "--looks"),
    ("load", "conversation", "--duration", "1", "--rate"),
    ("load", "conversation", "--rate", "1", "--duration"),
    (*LOAD, "--seed"),
    (*LOAD, "--think-scale"),
    ("load", "http", *URL, "--rate", "1", "--duration"),
    ("load", "http", *URL, "--duration", "1", "--rate"),
    (*HTTP, *URL, "--seed"),
]
NO_NUMBERS = ["-1", "1e300", "nan", "inf", "ten", "", "9" * 5000]


class Ended:
    """Runs `tollbench` in this process, in a folder with spoiled files: its code and its lines."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *args: str) -> tuple[object, list[str]]:
        self._monkeypatch.setattr(sys, "argv", ["tollbench", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        assert told.out == ""
        return ended.value.code, told.err.splitlines()


@pytest.fixture
def ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Ended:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "latin-1")
    write_profiles(tmp_path, 1)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "taken" / "latest").mkdir(parents=True)
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    return Ended(capsys, monkeypatch)


@pytest.mark.parametrize(
    ("args", "held"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES]
)
def test_a_mistake_is_one_line_that_names_its_mend(
    args: tuple[str, ...], held: tuple[str, ...], ended: Ended, tmp_path: Path
) -> None:
    code, problems = ended(*args)
    assert (code, len(problems)) == (2, 1), problems
    assert problems[0].startswith("tollbench: ")
    assert [part for part in held if part not in problems[0]] == []
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("args", NUMBERS, ids=" ".join)
def test_a_number_that_is_none_or_out_of_bounds_is_told_with_its_bounds(
    args: tuple[str, ...], ended: Ended
) -> None:
    for text in NO_NUMBERS:
        code, problems = ended(*args, text)
        assert (code, len(problems)) == (2, 1), (text, problems)
        assert problems[0].startswith(f"tollbench: {args[-1]} must be a ")
        assert " from " in problems[0]
        assert problems[0].endswith(f"not {text!r}")


def test_nought_is_out_of_bounds_but_for_the_seed(ended: Ended) -> None:
    for args in NUMBERS:
        if args[-1] != "--seed":
            code, problems = ended(*args, "0")
            assert (code, len(problems)) == (2, 1), (args, problems)


def test_all_mistakes_are_told_at_once(ended: Ended) -> None:
    code, problems = ended(
        "compare", "bogus", "--flows", "0", "--rounds", "x", "--seed", "-1", "--clock", "sun",
        "--rate", "nan", "--vary", "x", "--pay", "x", "--intent", "y", "--confirm", "z",
        "--think-scale", "0", "--jobs", "0", "--out", "file", "--quantiles", "0", "--primary", "x",
        "--tolerance", "5", "--until-certain", "--looks", "1",
    )  # fmt: skip
    assert code == 2
    options = [problem.removeprefix("tollbench: ").split()[0].rstrip(":") for problem in problems]
    assert sorted(options) == sorted([
        "unknown", "--flows", "--rounds", "--seed", "--clock", "--rate", "--vary", "--pay",
        "--intent", "--confirm", "--think-scale", "--jobs", "--out", "--quantiles", "--primary",
        "--tolerance", "--looks",
    ])  # fmt: skip


def test_all_that_is_wrong_with_a_scenario_is_told_at_once(ended: Ended) -> None:
    wrong = ("turns=0", "idle_share=2", "amount_max_minor=1", "usual_method=gold")
    code, problems = ended("compare", *(arg for pair in wrong for arg in ("--set", pair)))
    assert (code, len(problems)) == (2, len(wrong))
    assert all(problem.startswith("tollbench: --set: ") for problem in problems)


@pytest.mark.socket
def test_a_port_in_use_is_told(ended: Ended) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, problems = ended("compare", "--clock", "real", "--port", str(port))
    assert (code, problems) == (
        2,
        [f"tollbench: --port {port} is in use: take another, or leave it out for any free one"],
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_told(ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    code, problems = ended("compare", "--out", "locked/results")
    assert (code, len(problems)) == (2, 1)
    assert "cannot be written; name another folder" in problems[0]


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="/proc takes no files, from root either"
)
def test_a_folder_that_takes_no_files_is_told(ended: Ended) -> None:
    code, problems = ended("compare", "--out", "/proc/results")
    assert (code, problems) == (
        2,
        ["tollbench: --out: /proc cannot be written; name another folder"],
    )


def test_the_command_itself_ends_with_2_and_says_nothing_else(tmp_path: Path) -> None:
    done = tollbench("compare", "bogus", "--flows", "-1", cwd=tmp_path)
    assert (done.code, done.out, len(done.problems)) == (2, "", 2)
    assert all(problem.startswith("tollbench: ") for problem in done.problems)
