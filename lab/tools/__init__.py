"""Typed adapters for the programs that the lab uses, one file each."""
