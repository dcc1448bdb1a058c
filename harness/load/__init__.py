"""From due times to measured flows."""
