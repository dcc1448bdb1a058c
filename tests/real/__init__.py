"""Tests of harness.real: who tries to break a safety rule opens no socket by it."""
