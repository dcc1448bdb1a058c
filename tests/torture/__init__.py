"""Tests of the search for a conversation that breaks the books."""
