"""Tests of the other side of the wire: behaviour, money, and delays to the microsecond."""
