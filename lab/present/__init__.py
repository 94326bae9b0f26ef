"""Presenting scenarios to an audience."""
