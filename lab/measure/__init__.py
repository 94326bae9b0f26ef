"""Measure requests under load: timeline, statistics and captured packets."""
