"""Opt-in support for machines whose engine lacks a capability."""
