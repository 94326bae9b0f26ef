"""Scenarios: the step model, the runner, results and evidence."""
