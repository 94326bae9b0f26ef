"""Faults: the presenter's inject menu. Each is a real action on the lab, with its undo.

| module | what is in it |
| --- | --- |
| `menu` | `FaultMenu`, which implements `lab.stage.parts.Faults` |
| `catalog` | what can be broken, with the commands that do and undo it |
| `latency` | how podinfo is slowed down on each stack |
| `situation` | what is broken now, read from the clusters |

The commands that a menu shows are the commands that run: they are actions of a step, as in scenarios, and the stage
types them into a console. What is broken now is read from the clusters and their nodes and never remembered, so that a
stage that was started again, and `lab reset`, know it as well.
"""

from lab.stage.faults.menu import FaultMenu

__all__ = ["FaultMenu"]
