"""What runs inside a pod, with the standard library only."""
