"""Record a stage while it runs, replay a recording without clusters, and export it as one HTML file.

| module | what is in it |
| --- | --- |
| `manifest` | the folder of a recording: its files, and `stage.json` |
| `recorder`, `journal`, `page` | write it: events, consoles and the page's stream, within a size, each second |
| `delta`, `cast`, `redacting` | how: changes of the state, consoles as asciicast, no keys and tokens |
| `tape` | read it, also a damaged one |
| `player`, `routes` | a `Stage` that plays it, and the page in it |
| `export` | one HTML file that plays it without a server |
| `rehearsal` | the seconds of each step of the last rehearsal |

The folder is `runs/ID/`, as that of a run: `stage.json` (what it is), `events.jsonl` (state, panels, output, marks),
`page.jsonl` (answers, timelines, identities, weights) and `consoles/NAME.cast` (asciicast v2, for `asciinema play`).
Times are seconds since the recording began.
"""
