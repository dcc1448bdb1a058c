"""A run as one page of HTML that asks for nothing outside itself; it computes and draws nothing."""

from harness.report.page.page import page, write_page

__all__ = ["page", "write_page"]
