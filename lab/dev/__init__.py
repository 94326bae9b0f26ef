"""The developer's loop: a service as a pod that follows a folder, or as a process on this machine.

`mux`, `agent` and `runner` run inside a pod, too, on nothing but Python's standard library.
"""
