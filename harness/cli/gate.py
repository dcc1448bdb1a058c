"""The verb `gate`: two checkouts of one flow, played against each other on the real clock."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    STORIES,
    Capacity,
    Confirm,
    Fallback,
    Gateway,
    Intent,
    Json,
    Out,
    Pay,
    Reason,
    Score,
    Seed,
    Set,
    ThinkScale,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.cli.course import Course
    from harness.cli.gate_lines import Loaded, Side
    from harness.cli.gate_outcome import Asked, Printing
    from harness.cli.gate_rounds import Rounds
    from harness.cli.outcome import Started
    from harness.cli.wiring import Setup
    from harness.flow.model import Role


def gate(
    flow: Annotated[
        str,
        typer.Argument(
            metavar="FLOW",
            help="A .py file with a scenario, or FILE.py::FUNCTION, as it stands in both folders; "
            f"or one of {STORIES}.",
        ),
    ],
    base: Annotated[
        str, typer.Option(metavar="FOLDER", help="A checkout of the code before the change.")
    ],
    head: Annotated[
        str, typer.Option(metavar="FOLDER", help="A checkout of the code after it.")
    ] = ".",
    base_python: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The Python that runs base.  [default: that of its .venv, or else this one]",
            show_default=False,
        ),
    ] = None,
    head_python: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The same for head.", show_default=False),
    ] = None,
    strategy: Annotated[
        str, typer.Option(metavar="LIST", help="The mitigations that are on.")
    ] = "baseline",
    flows: Annotated[str, typer.Option(metavar="N", help="Turns for each side.")] = "400",
    rounds: Annotated[
        str, typer.Option(metavar="N", help="Rounds they are spread over; fresh processes each.")
    ] = "10",
    rate: Annotated[
        str, typer.Option(metavar="R", help="Turns per second, both sides together.")
    ] = "20",
    seed: Seed = "1",
    tolerance: Annotated[
        str, typer.Option(metavar="T", help="How large a change must be to matter: 1% or 40ms.")
    ] = "1%",
    quantiles: Annotated[
        str, typer.Option(metavar="LIST", help="Percentiles of response time to compare at.")
    ] = "50,95",
    primary: Annotated[
        str,
        typer.Option(
            metavar="PERCENTILE", help="The one in question, alone in being inconclusive."
        ),
    ] = "p50",
    inconclusive: Annotated[
        str,
        typer.Option(metavar="pass|fail", help="What it means that nothing can be told: 0 or 3."),
    ] = "fail",
    pay: Pay = None,
    intent: Intent = None,
    confirm: Confirm = None,
    reason: Reason = None,
    score: Score = None,
    gateway: Gateway = None,
    fallback: Fallback = None,
    capacity: Capacity = None,
    think_scale: ThinkScale = None,
    set_: Set = None,
    out: Out = "results",
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request.")
    ] = False,
) -> int:
    """Tell whether one checkout is slower than another.

    Both play at the same time, on the real clock, for the same users with the same draws. Exit code
    0 means that nothing regressed, 1 that something did, 3 that it cannot be told, 4 that the
    measurement cannot be believed, 2 that the command was wrong or a side cannot be played.
    """
    from harness.cli.gate_flow import ToldScenario, setup_of
    from harness.cli.gate_lines import Ask
    from harness.cli.gate_outcome import Printing, asked_of
    from harness.cli.gate_rounds import Rounds
    from harness.cli.gate_trees import check_apart, check_flow, tree_of
    from harness.cli.problems import Problems

    problems = Problems()
    trees = [
        tree_of(problems, "base", base, base_python),
        tree_of(problems, "head", head, head_python),
    ]
    check_apart(problems, *trees)
    check_flow(problems, flow, trees)
    rounds_ = problems.whole("--rounds", rounds, 1, 10_000)
    turns = problems.whole("--flows", flows, 1, 10_000_000)
    if problems.none and turns < rounds_:
        problems.add(f"--flows {turns} cannot be spread over --rounds {rounds_}: take more flows")
    asked = asked_of(problems, quantiles, primary, tolerance, inconclusive)
    if json and markdown:
        problems.add("--json and --markdown: only one of them can be printed; leave one out")
    folder = problems.folder("--out", out)
    models: dict[Role, str | None] = {
        "intent": intent,
        "confirm": confirm,
        "reason": reason,
        "score": score,
    }
    each, rest = divmod(turns, rounds_)
    apart = trees[0].path != trees[1].path

    def ask(side: Side, round_: int) -> Ask:
        other = trees[1 if side == "base" else 0]
        return Ask(
            side=side,
            other=str(other.path) if apart else "",
            flow=flow,
            strategy=strategy,
            round=round_,
            rounds=rounds_,
            turns=each + (round_ < rest),
            rate=rate,
            seed=seed,
            parameters=set_ or [],
            think_scale=think_scale,
            pay=_found(pay),
            models={role: path for role, name in models.items() if (path := _found(name))},
            gateway=_found(gateway),
            fallback=fallback,
            capacity=capacity,
        )

    setup_of(ask("head", 0), ToldScenario(), problems)  # Told once, and before a side starts.
    plan = Plan(flow, Rounds(trees, ask, rounds_), turns, asked, folder)
    with _ended_as_by_ctrl_c():
        return _gate(plan, Printing(json, markdown))


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked gate, and where its runs go."""

    flow: str
    rounds: Rounds
    turns: int
    """For each side, over all rounds."""
    asked: Asked
    out: Path


def _gate(plan: Plan, printing: Printing) -> int:
    from harness.cli.exits import INVALID
    from harness.cli.gate_outcome import exit_code, judge, keep, refuse, tell

    played = _played(plan)
    try:
        kept = keep(
            plan.flow,
            played.setup,
            plan.asked,
            played.loaded,
            played.courses,
            played.folders,
            played.started,
        )
        if refuse(kept, plan.flow):
            return INVALID
        found = judge(kept, plan.asked, remarks=only_flow(plan, played.own_code))
    except KeyboardInterrupt:
        return _kept_only(played, "interrupted when all was played and before the verdict")
    except OSError as error:
        return _kept_only(played, f"the runs cannot be stored ({error.strerror or error})")
    tell(found, plan.flow, plan.asked, printing)
    return exit_code(found, plan.asked)


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM is how CI cancels a job: what was measured is kept then, too, and what sides began
    is ended."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True, slots=True)
class _Played:
    """What was played, whole or not, as it lies in the folders."""

    setup: Setup
    loaded: Mapping[Side, Loaded]
    courses: Mapping[Side, Course]
    folders: Mapping[Side, Path]
    started: Started
    own_code: bool


def _played(plan: Plan) -> _Played:
    """Both sides' rounds. There is no folder of it where a side cannot play at all."""
    from contextlib import ExitStack

    from harness.cli.course import Course, stopping
    from harness.cli.gate_flow import ToldScenario, setup_of
    from harness.cli.gate_lines import SIDES
    from harness.cli.gate_rounds import loaded_of, loading, play
    from harness.cli.mock_process import mock_process
    from harness.cli.outcome import Started
    from harness.cli.progress import TurnBar
    from harness.cli.room import room_in
    from harness.cli.ways import books_there

    rounds, started, own_code = plan.rounds, Started.now(), True
    with ExitStack() as sides:
        first = sides.enter_context(loading(rounds, 0))
        loaded = loaded_of(first)
        check_code(plan, loaded)
        setup = replace(
            setup_of(rounds.ask("head", 0), ToldScenario.of(loaded[1])), turns=plan.turns
        )
        folders = {side: _new_run(plan, started, setup.seed, side) for side in SIDES}
        courses = {side: Course(room_in(folders[side])) for side in SIDES}
        # Who interrupts while processes end has still measured something.
        with (
            TurnBar(f"{plan.flow}, base and head, real clock", 2 * plan.turns) as bar,
            stopping(courses["head"], rounds.rounds),
            sides.pop_all(),
            mock_process(setup.mocks) as base_url,
        ):
            own_code = play(rounds, first, base_url, courses, bar, books_there)
    courses["base"].stopped = courses["head"].stopped
    of_side = dict(zip(SIDES, loaded, strict=True))
    return _Played(setup, of_side, courses, folders, started, own_code)


def _kept_only(played: _Played, why: str) -> int:
    """What was measured is on disk, but as no run."""
    import sys

    from harness.cli.exits import INVALID

    stopped = played.courses["head"].stopped
    places = " and ".join(map(str, played.folders.values()))
    for line in [*([stopped] if stopped else []), why, f"no verdict; turns are left in {places}"]:
        print(f"tollbench: {line}", file=sys.stderr)
    return INVALID


def check_code(plan: Plan, loaded: Sequence[Loaded]) -> None:
    """Two sides that run the same files of one installation say nothing of two checkouts."""
    from harness.cli.exits import BadInput
    from harness.cli.gate_trees import flow_file

    own = flow_file(plan.flow) or any(of.own_code for of in loaded)
    if _one_python(plan) and not own:
        raise BadInput(
            [
                f"{plan.flow}: neither side runs any code of its folder, so both are the same: "
                "name a .py file of theirs, or give each an environment of its own"
            ]
        )


def only_flow(plan: Plan, own_code: bool) -> list[str]:
    """Says that nothing but the flow's own file can differ; empty where more can."""
    from harness.cli.gate_trees import flow_file

    if own_code or not _one_python(plan):
        return []
    return [
        f"only {flow_file(plan.flow)} of each folder runs; all else is what is installed for both: "
        "give each an environment of its own if that is what changed"
    ]


def _one_python(plan: Plan) -> bool:
    from harness.cli.gate_trees import program_of

    return len({program_of(tree.python) for tree in plan.rounds.trees}) == 1


def _new_run(plan: Plan, started: Started, seed: int, side: Side) -> Path:
    from pathlib import Path

    from harness import record
    from harness.cli.exits import BadInput

    file, _, function = plan.flow.partition("::")
    what = "-".join(part for part in (Path(file).stem, function) if part)
    name = f"{started.at:%Y%m%d-%H%M%S}-{what}-real-s{seed}-{side}"
    try:
        return record.new_folder(plan.out, name)
    except OSError as error:
        raise BadInput(
            [f"--out: {plan.out} cannot be written ({error.strerror}); name another folder"]
        ) from None


def _found(profile: str | None) -> str | None:
    """A profile's file is one of where the gate stands, whatever folder a side is in."""
    from pathlib import Path

    if profile is None:
        return None
    parts = profile.split("+")
    return "+".join(
        str(Path(part).resolve()) if Path(part).suffix == ".toml" else part for part in parts
    )
