"""Record a stage while it runs, replay a recording without clusters, and export it as one HTML file.

| module | what is in it |
| --- | --- |
| `live_recording` | record a live stage from its start to its end |
| `recorder`, `page` | collect: the stage's events and consoles; the page's stream, with a reader of its own |
| `store`, `journal` | write the files each second, within a size |
| `events`, `delta`, `cast`, `redacting` | the lines: events, changes of the state, asciicast; without secrets |
| `manifest`, `reader`, `tape` | `stage.json`; read a recording, also a damaged one; what was read |
| `replay_server`, `player`, `clock`, `replay_console` | serve a replay: a `Stage` that plays a tape, with a clock |
| `routes`, `page_frames` | the page in a replay, and its stream |
| `export`, `one_file` | one HTML file that plays a recording without a server |
| `rehearsal` | the seconds of each step of the last rehearsal; not a part of a recording |

The folder is `runs/ID/`, as that of a run. All times `t` are seconds since the recording began.

| file | one line |
| --- | --- |
| `stage.json` | one document, schema `eastwest.lab/stage/v1`: what was recorded (`manifest.Manifest`) |
| `events.jsonl` | `{"t", "name", "data"}`: an event of `/api/events` |
| `page.jsonl` | `{"t", "at", "upstream", "name", "data"}`: an event of the frontend's stream; `at` is Unix time |
| `consoles/NAME.cast` | asciicast v2, for `asciinema play`; each step begins with a marker |

In `events.jsonl`, `state` and `panel` have `{"whole": …}`, or `{"changes": …}` since the line before (`delta`); a
`panel` also names its `cluster`. `page.jsonl` also has `identity` and `split` when they change, and `link`, the
connection. A file that reaches its share of the limit ends with `limit`, a cast with a marker that says so.

Not recorded: private keys and tokens (`redacting`, `lab.base.redaction`), keys that no console shows, the phones' link,
headers of the page's requests, and the middle of output of more than 256 KiB in a second.
"""
