"""Requests under load, their timeline, statistics and packets."""
