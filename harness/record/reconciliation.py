"""The part of run.json that tells what came of holding the apps against the books; its shape is
harness.reconciled's, which loads for processes that keep no record, and nothing is added here."""

from harness.reconciled import KEPT_BREACHES, BreachSummary, ReconciliationSummary, merged

__all__ = ["KEPT_BREACHES", "BreachSummary", "ReconciliationSummary", "merged"]
