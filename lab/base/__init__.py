"""Errors, paths, processes, waits, events and files. This package does not depend on Kubernetes or Docker."""
