"""Programs that run inside a pod, with the standard library only."""
