"""What runs beside a node, in its network namespace: the standard library only."""
