"""Live panels: the pods, Services, gateways, links, policies and events of each cluster, from watches.

| module | what is in it |
| --- | --- |
| `panels` | `LivePanels`, which implements `lab.stage.parts.Panels` |
| `follower` | the threads of one cluster: watches, a heartbeat, and what is published how often |
| `model` | one cluster's objects, joined into the rows of its panel; no I/O |
| `rows` | what a row keeps of a Kubernetes object |
| `marks` | which rows are new, changed or gone |
"""

from lab.stage.panel.panels import LivePanels

__all__ = ["LivePanels"]
