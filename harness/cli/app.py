"""The command `tollbench`: its verbs, and how a mistake is told; what a verb does is its file's.

A verb's file imports what it needs when it runs: asking for help must not wait for numpy.
"""

import sys
from collections.abc import Sequence

import typer

from harness.cli.agent import agent
from harness.cli.compare import compare
from harness.cli.diff import diff
from harness.cli.doctor import doctor
from harness.cli.exits import INVALID, USAGE, BadInput, DiskFull
from harness.cli.gate import gate
from harness.cli.load import load
from harness.cli.mocks import app as mocks
from harness.cli.reap import reap
from harness.cli.record import record
from harness.cli.report import report
from harness.cli.selftest import selftest
from harness.cli.sweep import sweep
from harness.cli.torture import torture

INTERRUPTED = 130
"""What typer makes of a Ctrl-C that no verb caught."""

app = typer.Typer(
    name="tollbench",
    help="What session pre-warming, token caching and parallel confirmation really buy "
    "in an AI payment flow.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Boxes would cut long defaults at 80 columns, and load rich for them.
)
app.command()(agent)
app.command()(compare)
app.command()(diff)
app.command()(doctor)
app.command()(gate)
app.command()(load)
app.command()(reap)
app.command()(record)
app.command()(report)
app.command()(selftest)
app.command()(sweep)
app.command()(torture)
app.add_typer(mocks, name="mocks")


def main() -> None:
    """Run the command line. A mistake is one line on standard error, and exit code 2."""
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except BadInput as error:
        code = _tell(error.problems, USAGE)
    except DiskFull as error:
        code = _tell([str(error)], INVALID)
    except typer.TyperException as error:
        message = error.format_message().rstrip(".")
        code = _tell([f"{message}; --help shows what there is"], USAGE)
    if code == INTERRUPTED:
        code = _tell(["interrupted while nothing was being measured"], INVALID)
    sys.exit(code)


def _tell(problems: Sequence[str], code: int) -> int:
    for problem in problems:
        print("tollbench:", " ".join(problem.splitlines()), file=sys.stderr)
    return code
