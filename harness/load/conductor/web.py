"""A tab of ours in Locust's web interface, and the routes below it; it measures nothing.

The tab is one of Locust's own: its interface draws what `extended_tabs` names, and a script that
is added to its page names an element which shows `tollbench/` in a frame. That page also works in
a window of its own, and reading `live.json` is all that it asks for.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

import msgspec
from flask import Blueprint, Flask, Request, Response, jsonify, request, send_file
from flask.typing import RouteCallable
from locust.web import WebUI

PAGE = "page.html"
ASSETS = {
    "theme.js": "text/javascript",
    "page.js": "text/javascript",
    "charts.js": "text/javascript",
    "tables.js": "text/javascript",
    "tab.js": "text/javascript",
    "page.css": "text/css",
}
REPORT = "report.html"
FILES = (REPORT, "run.json", "flows.parquet", "spans.parquet")
"""What may be taken from a run's folder; nothing else that lies there."""

POLICY = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
NOT_STORED = "There is no run here yet: it is stored when its test has ended.\n"

_PAGES = Path(__file__).with_name("pages")
_SCRIPT = b'<script src="./tollbench/tab.js"></script>'


class Board(Protocol):
    """What there is to see of the test, as of now."""

    @property
    def snapshot(self) -> bytes:
        """JSON of the last Snapshot of harness.load.live_figures, or nothing before the first."""

    @property
    def folder(self) -> str:
        """Of the run, or nothing before it has one."""

    @property
    def problems(self) -> list[str]:
        """Why a test did not start: a line each."""

    @property
    def stored(self) -> bool:
        """Whether the folder holds the whole run."""


CheckForm = Callable[[Mapping[str, str]], list[str]]
"""The fields of the form that starts a test; a line for each that cannot be used."""


class _Live(msgspec.Struct, frozen=True):
    """What the page asks for once a second."""

    problems: list[str]
    snapshot: msgspec.Raw
    stored: bool
    files: list[str]


class _Slo(msgspec.Struct, frozen=True):
    verdict: str


class _Verdict(msgspec.Struct, frozen=True):
    """As much of a Snapshot as tells whether it needs to be looked at."""

    valid: bool = True
    slos: list[_Slo] = []


def attach_web(web_ui: WebUI, board: Board, check_form: CheckForm) -> None:
    """Call it before the interface answers its first request, as in Locust's `init` event."""
    app = web_ui.app
    assert app is not None
    base = (app.blueprints["locust"].url_prefix or "").rstrip("/")
    app.register_blueprint(_routes(web_ui, board, f"{base}/tollbench"))
    app.after_request(_with_script)
    _guard_form(web_ui, app, check_form)


def _routes(web_ui: WebUI, board: Board, prefix: str) -> Blueprint:
    routes = Blueprint("tollbench", __name__, url_prefix=prefix)

    def route(path: str, view: RouteCallable) -> None:
        name = path.strip("/<>").replace(".", "-") or "page"
        routes.add_url_rule(path, name, _auth(web_ui, view))

    route("/", lambda: _asset(PAGE, "text/html"))
    for name, kind in ASSETS.items():
        route(f"/{name}", lambda name=name, kind=kind: _asset(name, kind))
    route("/live.json", lambda: _live(board))
    route("/alarm.json", lambda: jsonify({"alarm": _alarm(board)}))
    route("/report/", lambda: _stored(board, REPORT, download=False))
    route("/files/<name>", lambda name: _stored(board, name, download=True))
    return routes


def _asset(name: str, kind: str) -> Response:
    answer = Response((_PAGES / name).read_bytes(), mimetype=kind)
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def _live(board: Board) -> Response:
    stored = board.stored
    live = _Live(
        problems=board.problems,
        snapshot=msgspec.Raw(board.snapshot or b"null"),
        stored=stored,
        files=[name for name in FILES if _path(board, name).is_file()] if stored else [],
    )
    answer = Response(msgspec.json.encode(live), mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _alarm(board: Board) -> str:
    """What whoever looks at another tab has to know; empty while all is well."""
    if board.problems:
        return "not started"
    seen = msgspec.json.decode(board.snapshot or b"{}", type=_Verdict)
    if not seen.valid:
        return "INVALID"
    return "SLO missed" if any(slo.verdict == "missed" for slo in seen.slos) else ""


def _stored(board: Board, name: str, *, download: bool) -> Response:
    """A file of the stored run; 404 and why where there is none."""
    if name not in FILES:
        return _missing(f"A run has no such file. It has {', '.join(FILES)}.\n")
    if not board.stored:
        return _missing(NOT_STORED)
    path = _path(board, name)
    if not path.is_file():
        return _missing(f"This run was stored without {name}.\n")
    answer = send_file(path, as_attachment=download, download_name=name, max_age=0)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _path(board: Board, name: str) -> Path:
    return Path(board.folder).resolve() / name


def _missing(words: str) -> Response:
    return Response(words, 404, mimetype="text/plain")


def _with_script(answer: Response) -> Response:
    """Locust's page with a script of ours behind its own settings, and before its own script runs,
    which is deferred."""
    if request.endpoint == "locust.index" and answer.mimetype == "text/html":
        head, end, rest = answer.get_data().rpartition(b"</body>")
        if end:
            answer.set_data(head + _SCRIPT + end + rest)
    return answer


def _guard_form(web_ui: WebUI, app: Flask, check_form: CheckForm) -> None:
    """Ask before Locust's own handler, which starts users whatever the options are."""
    swarm = cast(Callable[[], Response], app.view_functions["locust.swarm"])

    def checked() -> Response:
        problems = check_form(_fields(request))
        if problems:
            host = web_ui.environment.host
            return jsonify({"success": False, "message": "\n".join(problems), "host": host})
        return swarm()

    app.view_functions["locust.swarm"] = _auth(web_ui, checked)


def _fields(asked: Request) -> dict[str, str]:
    return asked.form.to_dict()


def _auth(web_ui: WebUI, view: RouteCallable) -> RouteCallable:
    """Whoever has to log in for Locust's pages has to for ours."""
    guarded = web_ui.auth_required_if_enabled(view)  # type: ignore[no-untyped-call]  # it has none
    return cast(RouteCallable, guarded)
