"""The stage: the talk's screen in a browser, for `lab stage`.

One server on 127.0.0.1 shows one presentation to all browsers: the page of West's frontend, a console for each cluster,
the steps, and the presenter's second screen. The state is the server's; browsers only show it and send requests.

| module | what is in it |
| --- | --- |
| `run` | `lab stage` from its start to its end |
| `parts` | the interfaces: what the server needs of a stage, and what faults, panels and consoles offer it |
| `live`, `state` | the stage of a lab, and its state as JSON |
| `rules` | what a presenter can do now, and why not |
| `conductor` | the thread that does what presenters request, one request after the other |
| `typist`, `consoles`, `console` | types the lines of steps into consoles: shells in terminals of their own |
| `viewers` | the browsers that show one console |
| `osc` | a console's output: the shell's marks, the questions of programs, everything else |
| `typed_line`, `typed_command` | is the prompt empty; a command that a step typed |
| `plain_lines` | what a program printed on a terminal, as lines of plain text |
| `page_watch` | whether the page in the frame answers |
| `app`, `endpoints`, `json_requests` | the HTTP application; what it does for JSON requests, and how it reads them |
| `event_stream`, `broker`, `console_socket` | server-sent events for all browsers; the WebSockets of consoles |
| `security` | the token, the cookie, Host and Origin, the headers |
| `server`, `opener` | runs the HTTP application in this process; opens the browser |
| `panel/`, `faults/`, `audience/`, `recording/` | live objects, the inject menu, the phones, recordings |
| `static/` | the screens: JavaScript modules without a build step |
"""

from lab.stage.app import create_app
from lab.stage.parts import Declined, Fault, Faults, Panels, Stage
from lab.stage.security import Door

__all__ = ["Declined", "Door", "Fault", "Faults", "Panels", "Stage", "create_app"]
