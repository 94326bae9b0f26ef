"""Runs inside a pod (standard library only): send one request, print what became of it as JSON.

Arguments: URL, method, timeout in seconds, headers as JSON.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request


def main() -> None:
    """Send the request that the arguments name."""
    url, method, timeout_s, headers = sys.argv[1:5]
    said = {"status": 0, "body": "", "error": ""}
    request = urllib.request.Request(url, method=method, headers=json.loads(headers))  # noqa: S310 - http(s) only
    # Any server will do: when a request over TLS is refused, the server has to have done it.
    anybody = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), anybody)
    try:
        with opener.open(request, timeout=float(timeout_s)) as answer:
            said["status"] = answer.status
            said["body"] = answer.read(4000).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        said["status"] = error.code
        said["body"] = error.read(4000).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        said["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(said))


main()
