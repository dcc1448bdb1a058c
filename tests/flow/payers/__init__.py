"""Tests of the payers one by one, each at its own mock, where calls go wrong."""
