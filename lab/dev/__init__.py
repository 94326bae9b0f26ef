"""`lab dev`: run a service as a pod that follows a folder, or as a process on this machine.

`mux`, `agent` and `runner` also run inside a pod, with Python's standard library only.
"""
