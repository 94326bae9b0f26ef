"""Runs inside a pod (standard library only): send one request, print what became of it as JSON.

Arguments: URL, method, timeout in seconds, headers as JSON.
"""

import json
import sys
import urllib.error
import urllib.request


def main() -> None:
    """Send the request that the arguments name."""
    url, method, timeout_s, headers = sys.argv[1:5]
    said = {"status": 0, "body": "", "error": ""}
    request = urllib.request.Request(url, method=method, headers=json.loads(headers))  # noqa: S310 - http only
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
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
