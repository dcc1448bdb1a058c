"""Tests of what buyers do."""
