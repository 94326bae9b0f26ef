"""Programs that run in a node's network namespace, with the standard library only."""
