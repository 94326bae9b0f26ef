"""The audience taps on its phones: each tap is one real request through the mesh.

This is a server of its own, on an address and a port of its own, which a presenter starts with `--audience`. It has one
page and one action. A link that leaks can tap, and nothing else: no state, no console, no other endpoint.

| module | what is in it |
| --- | --- |
| `audience` | `Audience`: starts, ends, counts, and gives the link and its QR code |
| `address` | the address that a person names |
| `app` | the HTTP application, and what it refuses |
| `limits` | how often a phone, an address and everybody together may tap |
| `taps` | sends the requests, from a bounded queue |
| `gate` | its server's connections: how many, and for how long |
"""

from lab.stage.audience.address import AudienceAddress
from lab.stage.audience.audience import Audience

__all__ = ["Audience", "AudienceAddress"]
