"""Complete the package's metadata when it is built: the links of the project, as the page on PyPI shows them.

The repository's address is known where it is built for a release: GitHub Actions sets GITHUB_SERVER_URL,
GITHUB_REPOSITORY and GITHUB_REF_NAME. Elsewhere the package has no links, and the README's stay relative.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"\]\((?![a-z]+:|#)([^)]+)\)")


class ProjectLinks(MetadataHookInterface):
    """Set `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the two fields that pyproject.toml declares as dynamic."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository, version = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("GITHUB_REF_NAME")
        metadata["urls"] = {}
        if repository and version:
            url = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            metadata["urls"] = {
                "Source": url,
                "Issues": f"{url}/issues",
                "Documentation": f"{url}/blob/{version}/README.md",
            }
            text = _RELATIVE.sub(rf"]({url}/blob/{version}/\1)", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
