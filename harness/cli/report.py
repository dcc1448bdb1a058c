"""The verb `report`: a stored run as a page, or as Markdown; it measures and judges nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Otlp, Out

if TYPE_CHECKING:
    from pathlib import Path


def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A folder of a run, or its name in --out.")
    ] = "latest",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a pull request instead.")
    ] = False,
    out: Out = "results",
    open_: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the page in a browser.  [default: where there is one to look at]",
            show_default=False,
        ),
    ] = None,
    otlp: Otlp = None,
) -> int:
    """Write a run's page, report.html, into its folder, and open it.

    The page is one file, which asks for nothing outside itself. With --otlp the run's spans are
    sent, and no page is written. Exit code 0 means that it was done, 2 that the command was wrong,
    the run cannot be read, or its spans were not taken.
    """
    from harness.cli.breaches import tell_breaches
    from harness.cli.exits import PASS, USAGE, BadInput
    from harness.cli.problems import Problems
    from harness.cli.stored import open_run, run_path
    from harness.record import newest

    problems = Problems()
    if markdown and open_:
        problems.add("--markdown is printed, and there is nothing to --open: leave one out")
    if otlp is not None:
        problems.base_url("--otlp", otlp)
        if markdown or open_:
            problems.add(
                "--otlp sends the run, and writes nothing: leave out --markdown and --open"
            )
    problems.settle()
    path = run_path(run, out)
    summary, columns = open_run(path)
    if otlp is not None:
        from harness.cli.otlp import export_and_tell

        return PASS if export_and_tell(otlp, summary, columns) else USAGE
    if markdown:
        from harness.report.markdown import run_markdown

        print(run_markdown(summary))
        tell_breaches(summary, columns)
        return PASS
    from harness.report.charts import charts_of, svg_of
    from harness.report.page import write_page

    svgs = {name: svg_of(name, summary, columns) for name in charts_of(summary)}
    folder = newest(path.parent) if path.name == "latest" else path
    try:
        page = write_page(folder, summary, svgs)
    except OSError as error:
        raise BadInput([f"{folder} cannot be written to: {error.strerror}"]) from None
    print(page)
    tell_breaches(summary, columns)
    if _is_watched() if open_ is None else open_:
        _show(page)
    return PASS


def _is_watched() -> bool:
    """Whether somebody sits before a screen: a terminal, and a display where one is needed."""
    import os
    import sys

    needs_none = sys.platform in ("darwin", "win32")
    display = needs_none or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return sys.stdout.isatty() and display and "CI" not in os.environ


def _show(page: Path) -> None:
    import webbrowser

    webbrowser.open(page.resolve().as_uri())
