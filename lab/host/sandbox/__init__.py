"""Machinery for machines whose engine lacks a capability or uses cgroup v1; opt-in."""
