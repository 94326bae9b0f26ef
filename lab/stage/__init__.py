"""The stage: the talk's screen in a browser, for `lab stage`.

One server on 127.0.0.1 shows one presentation to all browsers: the page of West's frontend, a console for each cluster,
the steps, and the presenter's second screen. The state is the server's; browsers only show it and send requests.

| module | what is in it |
| --- | --- |
| `run` | `lab stage` from its start to its end |
| `parts` | the interfaces: what the server needs of a stage, and what faults, panels and consoles offer it |
| `live`, `state` | the stage of a lab, and its state as JSON |
| `conductor` | the thread that does what presenters request, one request after the other |
| `typist`, `consoles`, `console` | types the lines of steps into consoles: shells in terminals of their own |
| `osc`, `text`, `typed_line`, `typed_command` | what a console's output and keys mean |
| `server`, `endpoints`, `streams`, `broker` | the HTTP application: JSON requests, server-sent events, WebSockets |
| `security` | the token, the cookie, Host and Origin, the headers |
| `serve`, `opener` | runs the server in this process; opens the browser |
"""

from lab.stage.parts import Declined, Fault, Faults, Panels, Stage
from lab.stage.security import Door
from lab.stage.server import create_app

__all__ = ["Declined", "Door", "Fault", "Faults", "Panels", "Stage", "create_app"]
