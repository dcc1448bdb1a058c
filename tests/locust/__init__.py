"""Locust's way in, driven from outside: to import Locust would patch the test process."""
