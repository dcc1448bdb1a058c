"""The tests, one folder a room; a package so that two rooms may have a file of the same name."""
