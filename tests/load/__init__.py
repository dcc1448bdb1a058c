"""Tests of arrivals, the engine and its health."""
