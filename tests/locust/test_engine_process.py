"""The engine as a child: what it answers to which frames, and how it ends when its input does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from harness import record
from harness.cli.asked import Asked
from harness.load.pipe import Account, Counts, Go, Part, Ready, Refused, Step, Stop
from tests.locust.engine import Engine, begin, engine, mocks_for
from tests.locust.processes import fast_profiles

pytestmark = pytest.mark.socket

RATE = Step(0.0, 30.0, 0, 1)
BROKEN = """
from dataclasses import dataclass

print("hello")

@dataclass(frozen=True)
class Broken:
    turns: int = 1
    usual_method: str = "balance"

    async def run(self, chat, agent):
        async with chat.turn() as flow:
            await flow.sleep(0.02)
            if chat.conversation == 3:
                raise KeyError("a bug")
            flow.outcome = "ok"
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Of mocks that answer in tens of milliseconds."""
    quick = fast_profiles(tmp_path_factory.mktemp("profiles"))
    return Asked(
        strategy="token_cache",
        param=["turns=2", "idle_share=0"],
        pay=quick["pay"],
        intent=quick["intent"],
        confirm=quick["confirm"],
    )


@pytest.fixture
def asked(profiles: Asked, tmp_path: Path) -> Asked:
    return structs.replace(profiles, out=str(tmp_path / "results"))


@pytest.fixture(scope="module")
def mocks(profiles: Asked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mocks_for(profiles, tmp_path_factory.mktemp("mocks")) as url:
        yield url


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """For what is temporary."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def _start(of: Engine) -> None:
    assert of.hear() == Ready()
    of.tell(Go(0.0))
    of.tell(RATE)


def test_every_turn_that_was_started_is_told_and_then_the_account(
    asked: Asked, mocks: str, room: Path
) -> None:
    both = structs.replace(asked, strategy="baseline vs token_cache")
    with engine(room) as one, engine(room) as other:
        for index, of in enumerate((one, other)):
            of.tell(begin(both, mocks, index=index))
        for index, of in enumerate((one, other)):
            _start(of)
            of.tell(structs.replace(RATE, from_s=0.01, share=index, of=2))
        for of in (one, other):
            of.hear_turns(2)
            of.tell(Stop())
        assert [of.ended() for of in (one, other)] == [0, 0], one.err + other.err
    for of in (one, other):
        _is_whole(of)
    names = [{row.conversation for row, _ in of.turns} for of in (one, other)]
    assert {n % 2 for n in names[0]} == {0}
    assert {n % 2 for n in names[1]} == {1}
    assert list(room.glob("tollbench-*")) == []


def _is_whole(of: Engine) -> None:
    """It accounts for the turns that it told, and told all that it knows of them."""
    assert of.err == ""
    account = of.told[-1]
    assert isinstance(account, Account)
    assert account.counts == of.parts[-1].counts
    assert account.counts == Counts(len(of.turns), len(of.turns), len(of.turns))
    assert (account.leaks, account.fault) == (0, "")
    assert account.calls is not None
    assert account.connections is not None
    assert account.calls >= account.connections > 0
    assert sum(len(part.loop_lags_ms) for part in of.parts) > 10
    assert len({(row.variant, row.conversation, row.turn) for row, _ in of.turns}) == len(of.turns)
    for row, spans in of.turns:
        assert (row.round, row.outcome) in ((0, "paid"), (0, "declined"))
        assert {"intent", "pay", "confirm"} <= {span.stage for span in spans}
    samples = [sample for part in of.parts for sample in part.samples]
    turns = sorted(sample.response_ms for sample in samples if sample.kind == "TURN")
    assert turns == sorted(row.response_ms for row, _ in of.turns)
    assert {sample.name for sample in samples if sample.kind == "TURN"} <= {
        "conversation baseline", "conversation token_cache",
    }  # fmt: skip


def test_where_the_conductor_is_lost_the_engine_keeps_its_share(
    asked: Asked, mocks: str, room: Path, tmp_path: Path
) -> None:
    with engine(room) as of:
        of.tell(begin(asked, mocks, index=3))
        _start(of)
        of.hear_turns()
        of.end_input()
        assert of.ended() == 4
    assert not any(isinstance(told, Account) for told in of.told)
    kept = record.newest(tmp_path / "results")
    stored = record.read(kept)
    why = "the conductor was lost: this is the share of engine w3"
    assert of.err == f"tollbench: {why}; it is kept in {kept}\n"
    assert stored.summary.invalid_because[0] == why
    assert stored.summary.health.started == len(stored.columns.turns) == len(of.turns)
    assert stored.summary.parameters["targets"] == "mock"
    assert list(room.glob("tollbench-*")) == []


@pytest.mark.thorough
def test_where_nobody_hears_the_account_the_engine_keeps_its_share(
    asked: Asked, mocks: str, room: Path, tmp_path: Path
) -> None:
    with engine(room) as of:
        of.tell(begin(asked, mocks))
        _start(of)
        of.hear_turns()
        of.tell(Stop())
        of.hear_no_more()
        assert of.ended() == 4
    assert len(of.err.splitlines()) == 1
    stored = record.read(record.newest(tmp_path / "results"))
    assert not stored.summary.valid
    assert stored.summary.health.started == len(stored.columns.turns) >= len(of.turns)


@pytest.mark.thorough
def test_a_bug_ends_the_engine_without_an_account_and_what_it_measured_is_told(
    asked: Asked, mocks: str, room: Path, tmp_path: Path
) -> None:
    scenario = tmp_path / "broken.py"
    scenario.write_text(BROKEN)
    with engine(room) as of:
        of.tell(begin(structs.replace(asked, scenario=str(scenario), param=None), mocks))
        _start(of)
        assert of.ended() == 1
    # What the scenario prints has not come between the frames.
    assert of.err.startswith("hello\n")
    assert "KeyError: 'a bug'" in of.err
    last = of.told[-1]
    assert isinstance(last, Part)
    assert last.counts.started == len(of.turns)
    assert last.counts.finished >= 3
    assert last.counts.running >= 1
    assert {row.outcome for row, _ in of.turns} == {"ok", "running"}


def test_where_nobody_answers_the_engine_says_so_and_ends(asked: Asked, room: Path) -> None:
    with engine(room) as of:
        of.tell(begin(asked, "http://127.0.0.1:1"))
        assert of.ended() == 2
    (refused,) = of.told
    assert isinstance(refused, Refused)
    (line,) = refused.problems
    assert line.startswith("http://127.0.0.1:1 does not answer as it should (")
    assert line.endswith("serve them by tollbench mocks serve, and take --targets staging")
    assert of.err == ""


@pytest.mark.thorough
def test_an_engine_that_is_stopped_before_it_goes_accounts_for_nothing(
    asked: Asked, mocks: str, room: Path
) -> None:
    with engine(room) as of, engine(room) as unasked, engine(room) as confused:
        of.tell(begin(asked, mocks))
        unasked.end_input()
        confused.tell(begin(structs.replace(asked, strategy="nonsense", seed="x"), mocks))
        assert of.hear() == Ready()
        of.tell(Stop())
        assert (of.ended(), unasked.ended(), confused.ended()) == (0, 0, 2)
    assert of.told[1:] == [Account(0.0, Counts(), None, None, None, 0, "")]
    assert unasked.told == []
    (refused,) = confused.told
    assert isinstance(refused, Refused)
    assert len(refused.problems) == 2
