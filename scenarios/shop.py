"""What is for sale, and the ways to pay; scenarios share it."""

METHODS = ("balance", "card")
PAYEES = ("noodles", "tea-house", "bookshop", "metro", "pharmacy")
BLOCKED = "payee-blocked"
"""Every payment provider declines to pay this one."""
