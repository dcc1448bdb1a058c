"""Who plays which share at which rate, as users and workers come and go."""

from harness.load.pipe import Planned, Step
from harness.load.shares import Shares, steps


def _shares(users: dict[str, int], *workers: str) -> Shares:
    shares = Shares(2.5)
    for index, worker in enumerate(workers):
        shares.join(worker, index)
    for worker, many in users.items():
        shares.set_users(worker, many)
    return shares


def test_all_users_together_make_the_rate_and_all_workers_share_it() -> None:
    assert _shares({"a": 3, "b": 1}, "a", "b").change(7.0) == Planned(7.0, 10.0, ["a", "b"])


def test_nothing_is_planned_where_nothing_changed() -> None:
    shares = _shares({"a": 3}, "a")
    assert shares.change(1.0) is not None
    shares.set_users("a", 3)
    assert shares.change(2.0) is None


def test_before_the_first_user_and_worker_there_is_nothing_to_plan() -> None:
    assert Shares(1.0).change(0.0) is None


def test_a_user_who_moves_to_another_worker_changes_nothing() -> None:
    shares = _shares({"a": 3, "b": 1}, "a", "b")
    shares.change(1.0)
    shares.set_users("a", 2)
    shares.set_users("b", 2)
    assert shares.change(2.0) is None


def test_shares_go_by_number_whoever_was_ready_first() -> None:
    shares = Shares(1.0)
    shares.join("late", 1)
    shares.join("early", 0)
    assert shares.players == ["early", "late"]


def test_the_shares_of_an_engine_that_died_go_to_the_others_and_its_users_stay() -> None:
    shares = _shares({"a": 2, "b": 2}, "a", "b")
    shares.change(1.0)
    shares.leave("a")
    assert shares.change(2.0) == Planned(2.0, 10.0, ["b"])


def test_a_worker_that_is_gone_takes_its_users_along() -> None:
    shares = _shares({"a": 2, "b": 2}, "a", "b")
    shares.leave("a")
    shares.set_users("a", 0)
    assert shares.change(2.0) == Planned(2.0, 5.0, ["b"])


def test_every_conversation_is_somebodys_share_and_nobody_elses() -> None:
    told = steps(Planned(4.0, 30.0, ["a", "b", "c"]))
    assert told == {name: Step(4.0, 30.0, share, 3) for share, name in enumerate("abc")}
    for conversation in range(9):
        players = [step for step in told.values() if conversation % step.of == step.share]
        assert len(players) == 1


def test_where_nobody_is_left_nobody_is_told() -> None:
    assert steps(Planned(4.0, 30.0, [])) == {}
