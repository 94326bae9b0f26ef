"""The machine that the lab runs on: container engine, privileges, memory and disk.

`doctor` checks the machine, `prepare` makes the changes that `lab up` needs, `engine` installs and starts the Docker
Engine, and `sandbox` holds the opt-in runtime for machines that lack a capability.
"""
