"""The command `tollbench`: its verbs and their options; what a verb does is in the verb's file.

Options are taken as text and checked all together, so that every mistake is told at once. Verbs
are imported when they run: asking for help must not wait for numpy.
"""

import sys
from typing import Annotated

import click
import typer

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A shipped scenario, or a .py file with one.")
]
Pay = Annotated[str, typer.Option(metavar="PROFILE", help="Payment profile, or a TOML file.")]
Intent = Annotated[str, typer.Option(metavar="PROFILE", help="Model that reads the wish.")]
Confirm = Annotated[str, typer.Option(metavar="PROFILE", help="Model that confirms.")]
Seed = Annotated[str, typer.Option(metavar="N", help="The same seed draws the same weather.")]
Clock = Annotated[str, typer.Option(metavar="virtual|real", help="Jump over waits, or wait.")]
ThinkScale = Annotated[
    str | None,
    typer.Option(
        metavar="X",
        help="Think times and token lifetimes are multiplied by it "
        "[default: 1 on the virtual clock, 0.05 on the real one].",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the scenario; repeatable."),
]
Out = Annotated[str, typer.Option(metavar="FOLDER", help="Where runs are kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")]

app = typer.Typer(
    name="tollbench",
    help="What session pre-warming, token caching and parallel confirmation really buy "
    "in an AI payment flow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def compare(
    scenario: ScenarioArgument = "conversation",
    flows: Annotated[str, typer.Option(metavar="N", help="Turns for each strategy.")] = "1000",
    rounds: Annotated[str, typer.Option(metavar="N", help="Rounds they are spread over.")] = "20",
    seed: Seed = "1",
    clock: Clock = "virtual",
    rate: Annotated[
        str, typer.Option(metavar="R", help="Turns per second, all strategies together.")
    ] = "50",
    vary: Annotated[
        str, typer.Option(metavar="LIST", help="Mitigations to vary.")
    ] = "prewarm,token_cache,parallel_confirm",
    pay: Pay = "wechat-ai",
    intent: Intent = "gpt-4o",
    confirm: Confirm = "gpt-4o",
    think_scale: ThinkScale = None,
    set_: Set = None,
    jobs: Annotated[
        str | None,
        typer.Option(metavar="N", help="Worker processes, virtual clock [default: one a core]."),
    ] = None,
    sweep_session_share: Annotated[
        bool,
        typer.Option(
            "--sweep-session-share",
            help="Repeat for several splits of the payment overhead, which no source states.",
        ),
    ] = False,
    out: Out = "results",
    json: Json = False,
) -> None:
    """Measure every combination of the mitigations, and say what each is worth."""
    from harness.cli.compare import run_compare

    raise typer.Exit(
        run_compare(
            scenario=scenario,
            flows=flows,
            rounds=rounds,
            seed=seed,
            clock=clock,
            rate=rate,
            vary=vary,
            pay=pay,
            intent=intent,
            confirm=confirm,
            think_scale=think_scale,
            parameters=set_ or [],
            jobs=jobs,
            sweep=sweep_session_share,
            out=out,
            as_json=json,
        )
    )


@app.command()
def load(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help='A scenario, or "http" to probe --url.')
    ],
    rate: Annotated[str, typer.Option(metavar="R", help="Turns per second.")],
    duration: Annotated[str, typer.Option(metavar="S", help="Seconds of arrivals.")],
    strategy: Annotated[
        str, typer.Option(metavar="LIST", help="Mitigations that are on, or baseline.")
    ] = "baseline",
    url: Annotated[str | None, typer.Option(metavar="URL", help='What "http" probes.')] = None,
    seed: Seed = "1",
    clock: Clock = "real",
    pay: Pay = "wechat-ai",
    intent: Intent = "gpt-4o",
    confirm: Confirm = "gpt-4o",
    think_scale: ThinkScale = None,
    set_: Set = None,
    out: Out = "results",
    json: Json = False,
) -> None:
    """Run one strategy, or probe one URL, at an open-model rate."""
    from harness.cli.load import run_load

    raise typer.Exit(
        run_load(
            scenario=scenario,
            rate=rate,
            duration=duration,
            strategy=strategy,
            url=url,
            seed=seed,
            clock=clock,
            pay=pay,
            intent=intent,
            confirm=confirm,
            think_scale=think_scale,
            parameters=set_ or [],
            out=out,
            as_json=json,
        )
    )


def main() -> None:
    """Run the command line. A wrong option is one line on standard error, and exit code 2."""
    from harness.cli.problems import BadInput

    try:
        code = app(standalone_mode=False)
    except click.UsageError as error:
        sys.exit(_tell([error.format_message().rstrip(".")]))
    except BadInput as error:
        sys.exit(_tell(error.problems))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_tell(["interrupted"], 4))
    sys.exit(code)


def _tell(problems: list[str], code: int = 2) -> int:
    for problem in problems:
        print(f"tollbench: {problem}", file=sys.stderr)
    return code
