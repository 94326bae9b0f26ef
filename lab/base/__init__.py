"""The ground floor: errors, paths, processes, waits, events and files. Nothing here knows Kubernetes or Docker."""
