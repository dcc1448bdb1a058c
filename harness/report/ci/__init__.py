"""What CI is told of tests that played flows: a summary, annotations, files; it judges nothing."""

from harness.report.ci.annotations import annotations
from harness.report.ci.files import verdicts_json, write_ci
from harness.report.ci.history import history_json
from harness.report.ci.summary import summary_markdown

__all__ = ["annotations", "history_json", "summary_markdown", "verdicts_json", "write_ci"]
