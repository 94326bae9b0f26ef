"""`lab watch`: the frontend's page in a terminal, drawn from the answers that the frontend streams.

| module | what is in it |
| --- | --- |
| `target` | checks the services and the rate before anything is shown |
| `watching` | the streams of all services as one queue of events, and a tally for each service |
| `feed`, `sse`, `facts` | one stream, which reconnects; its format; identities and the configured split |
| `tally` | counts the answers of one service |
| `show` | shows events as a picture, as a line a second, or as JSON |
| `picture`, `panel`, `looks` | the whole picture; one service in it; letters, colours and symbols |
"""
