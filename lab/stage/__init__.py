"""The stage: the talk's screen in a browser, for `lab stage`.

One server on 127.0.0.1 shows one presentation to all browsers: the page of West's frontend, a console for each cluster,
the steps, and the presenter's second screen. The state is the server's; browsers only show it and send requests.

| module | what is in it |
| --- | --- |
| `parts` | the interfaces: what the server needs of a stage, and what faults, panels and consoles offer it |
| `server`, `endpoints`, `streams` | the HTTP application: routes, JSON requests, server-sent events, WebSockets |
| `security` | the token, the cookie, Host and Origin, the headers |
| `broker` | passes events to browsers, never waits for one of them |
| `state` | the state as JSON |
"""

from lab.stage.parts import Declined, Fault, Faults, Panels, Stage
from lab.stage.security import Door
from lab.stage.server import create_app

__all__ = ["Declined", "Door", "Fault", "Faults", "Panels", "Stage", "create_app"]
