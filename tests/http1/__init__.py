"""Tests of our own HTTP/1.1 client: its wire, and its sockets."""
