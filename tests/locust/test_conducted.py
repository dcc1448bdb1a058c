"""What Locust's processes tell engines and the collector, to the frame: with doubles of both, so
that every arrival is known beforehand."""

import pytest

from tests.locust.conducted import RATE_EACH, TWO_WORKERS, Run, command, heard
from tests.locust.processes import ran

pytestmark = [pytest.mark.socket, pytest.mark.thorough]

USERS = ("-u", "2", "-r", "1", "-t", "2s", "--only-summary")
COMMANDS: dict[str, tuple[str, ...]] = {
    "one process": USERS,
    "two workers": (*USERS, *TWO_WORKERS),
    "refused": (*USERS, "--intent", "refuse", *TWO_WORKERS),
    "vanished": (*USERS, "--intent", "vanish"),
}
WHOLE = ("one process", "two workers")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    commands = [command(folder / name, *more) for name, more in COMMANDS.items()]
    done = zip(COMMANDS, ran(*commands), strict=True)
    return {name: Run(d.returncode, d.stderr, heard(folder / name)) for name, d in done}


def _due(rates: list[tuple[float, float]], until_s: float) -> list[float]:
    """When evenly spaced arrivals are due under rates that each hold from a time on."""
    dues: list[float] = []
    owed = 0.0
    for (from_s, rate), (to_s, _) in zip(rates, [*rates[1:], (until_s, 0.0)], strict=True):
        first = (len(dues) + 1 - owed) / rate
        while from_s + first <= to_s:
            dues.append(from_s + first)
            first = (len(dues) + 1 - owed) / rate
        owed += rate * (to_s - from_s)
    return dues


def test_a_ramp_of_users_is_the_same_schedule_however_many_workers_share_it(
    runs: dict[str, Run],
) -> None:
    expected = _due(
        [(0.0, RATE_EACH), (1.0, 2 * RATE_EACH)], 1.8
    )  # A stop is heard by each engine when it comes.
    assert len(expected) > 30
    for name in WHOLE:
        turns = runs[name].turns
        assert [n for n, _, _ in turns][: len(expected)] == list(range(len(expected)))
        assert [due for _, due, _ in turns][: len(expected)] == pytest.approx(expected)


def test_each_worker_plays_its_own_conversations_and_all_play(runs: dict[str, Run]) -> None:
    turns = runs["two workers"].turns
    players = runs["two workers"].of_type("planned")[0]["workers"]
    assert len(players) == 2
    assert {worker for _, _, worker in turns} == set(players)
    assert all(worker == players[n % 2] for n, _, worker in turns)


@pytest.mark.parametrize("name", WHOLE)
def test_a_run_is_opened_planned_accounted_for_and_closed_in_this_order(
    runs: dict[str, Run], name: str
) -> None:
    heard = runs[name].heard
    assert heard[0]["type"] == "opening"
    assert [plan["rate"] for plan in runs[name].of_type("planned")] == [16.0, 32.0, 0.0]
    assert [plan["from_s"] for plan in runs[name].of_type("planned")][:2] == [0.0, 1.0]
    accounts = [n for n, line in enumerate(heard) if "account" in line]
    assert len(accounts) == len(heard[0]["workers"])
    assert max(accounts) < len(heard) - 2
    assert [line["type"] for line in heard[-2:]] == ["planned", "close"]
    assert heard[-1]["at_s"] >= 2.0


@pytest.mark.parametrize("name", WHOLE)
def test_every_turn_is_a_request_of_locusts_with_its_digits(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    (row,) = {line for line in run.text.splitlines() if line.startswith("TURN") and "(" in line}
    assert int(row.split()[2]) == len(run.turns)
    percentiles = [line for line in run.text.splitlines() if line.startswith("TURN")][-1]
    assert percentiles.split()[2:] == ["1235"] * 11 + [str(len(run.turns))]


@pytest.mark.parametrize("name", WHOLE)
def test_the_collectors_last_words_come_last_and_locust_has_its_exit_code(
    runs: dict[str, Run], name: str
) -> None:
    assert runs[name].text.splitlines()[-1] == "VALID, as far as the double knows"
    assert runs[name].code == 0


def test_engines_that_refuse_are_heard_once_and_no_user_comes(runs: dict[str, Run]) -> None:
    run = runs["refused"]
    assert run.code == 2
    assert run.text.splitlines()[-2:] == [
        "tollbench: --host: nobody is there",
        "tollbench: --seed: unlucky",
    ]
    assert run.text.count("unlucky") == 1
    assert "users spawned" not in run.text
    assert run.of_type("planned") == []


def test_a_run_whose_last_engine_died_ends_by_itself_and_is_closed(runs: dict[str, Run]) -> None:
    run = runs["vanished"]
    (gone,) = run.of_type("gone")
    assert gone["why"] == "it ended before its time, with code 3"
    assert "no engine is left" in run.text
    assert run.heard[-1]["type"] == "close"
    assert run.heard[-1]["at_s"] < 2.0
