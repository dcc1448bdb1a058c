"""Tests of the room that a scenario author sees."""
