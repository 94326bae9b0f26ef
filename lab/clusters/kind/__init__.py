"""Clusters from kind: one node container for each, on the lab's own Docker network."""
