"""Measure duration and memory of the lab: `nox -s bench`."""
