"""What the report floor promises its readers; it never runs a payment flow."""
