"""Options made into a checked Setup; every mistake is gathered, none stops the checking."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.cli.options import MODEL, PAY
from harness.cli.problems import Problems
from harness.cli.scenario_file import find_scenario
from harness.cli.wiring import REAL_THINK_SCALE, Setup
from harness.flow.strategy import Strategy
from mocks.host import MockConfig

MOST_SEED = 2**63 - 1
LEAST_RATE, MOST_RATE = 0.001, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every verb that runs flows takes, as the user wrote it."""

    scenario: str = "conversation"
    parameters: Sequence[str] = ()
    clock: str = "virtual"
    seed: str = "1"
    rate: str = "50"
    think_scale: str | None = None
    port: str | None = None
    pay: str = PAY
    intent: str = MODEL
    confirm: str = MODEL


def checked(
    options: Options,
    problems: Problems,
    strategies: Sequence[Strategy],
    *,
    rounds: int = 1,
    turns: int = 0,
) -> Setup:
    """The setup, or BadInput with all that is wrong, what the caller found before included."""
    clock = problems.clock(options.clock)
    seed = problems.whole("--seed", options.seed, 0, MOST_SEED)
    rate = problems.number("--rate", options.rate, LEAST_RATE, MOST_RATE)
    default_scale = 1.0 if clock == "virtual" else REAL_THINK_SCALE
    think_scale = (
        default_scale
        if options.think_scale is None
        else problems.number("--think-scale", options.think_scale, 0.0001, 1000)
    )
    port = problems.port("--port", options.port, clock)
    pay = problems.payment("--pay", options.pay)
    intent = problems.model("--intent", options.intent)
    confirm = problems.model("--confirm", options.confirm)
    scenario = None
    try:
        scenario = problems.parameters(find_scenario(options.scenario), options.parameters)
    except LookupError as error:
        problems.add(str(error))
    if scenario is not None and scenario.turns < 1:
        problems.add(f"{options.scenario}: turns must be at least 1, not {scenario.turns}")
    problems.settle()
    assert pay and intent and confirm and scenario
    return Setup(
        scenario=scenario,
        strategies=tuple(strategies),
        clock=clock,
        seed=seed,
        rounds=rounds,
        turns=turns,
        rate=rate,
        think_scale=think_scale,
        intent=options.intent,
        confirm=options.confirm,
        mocks=MockConfig(
            seed=seed,
            pay=pay,
            models={options.intent: intent, options.confirm: confirm},
            lifetime_scale=think_scale,
        ),
        mocks_port=port,
    )
