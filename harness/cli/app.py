"""The command `tollbench`: its verbs, and how a mistake is told; what a verb does is its file's.

A verb's file imports what it needs when it runs: asking for help must not wait for numpy.
"""

import sys
from collections.abc import Sequence

import click
import typer

from harness.cli.compare import compare
from harness.cli.exits import INVALID, USAGE, BadInput
from harness.cli.load import load

app = typer.Typer(
    name="tollbench",
    help="What session pre-warming, token caching and parallel confirmation really buy "
    "in an AI payment flow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(compare)
app.command()(load)


def main() -> None:
    """Run the command line. A mistake is one line on standard error, and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except click.UsageError as error:
        code = _tell([error.format_message().rstrip(".")], USAGE)
    except BadInput as error:
        code = _tell(error.problems, USAGE)
    except (KeyboardInterrupt, click.Abort):
        code = _tell(["interrupted before anything was measured"], INVALID)
    sys.exit(code)


def _tell(problems: Sequence[str], code: int) -> int:
    for problem in problems:
        print(f"tollbench: {problem}", file=sys.stderr)
    return code
