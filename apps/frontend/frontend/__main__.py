"""`python -m frontend`: read the environment and serve."""

import os
import sys

from frontend.config import Settings
from frontend.errors import ConfigError
from frontend.server import serve


def main() -> int:
    """Run the service; 0 after a clean end, 2 for an environment that it can't run with."""
    try:
        settings = Settings.from_env(os.environ)
    except ConfigError as error:
        print("frontend: the environment is unusable", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return 2
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
