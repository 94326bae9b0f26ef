"""Pull an image into the container engine by its digest."""

from __future__ import annotations

import re
from dataclasses import replace

from lab.artifacts import registry
from lab.artifacts.from_source.builders.image import made_image
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.web import WebError
from lab.base import events, wait
from lab.base.errors import ArtifactError, CommandError, DigestError
from lab.base.pulled import Pulled

_PATIENCE_S = (2.0, 10.0)
# Words of engines from 20.10 to 29, in lower case.
_DAMAGED = ("verification failed", "digest mismatch", "does not match", "failed size validation", "failed to verify")
_ABSENT = ("not found", "manifest unknown", "unknown manifest")
_BUSY = re.compile(
    r"toomanyrequests|too many requests|\b(429|502|503|504)\b|unexpected eof|connection reset|timeout|deadline exceeded"
)
_PAGE = ("text/html", "invalid character '<'")


def pull(work: BuildContext, reference: str) -> BuildResult:
    """Pull an image by its digest and tag it as the build's reference; repeat it if the registry is busy.

    Args:
        work: the build of an image.
        reference: registry, repository and digest, without a tag: an engine may store only one of the two names.

    Raises:
        ArtifactError: the registry does not have the image or does not send it whole, or its content is damaged.
    """
    for patience_s in (*_PATIENCE_S, None):
        events.progress(f"pulling {reference}")
        try:
            work.docker.pull(reference, on_line=events.reporter())
            break
        except CommandError as error:
            if patience_s is None or not _BUSY.search(error.stderr.lower().replace(reference, "")):
                raise _explained(work, reference, error) from error
            wait.rest(f"{reference}: {_last_line(error)}", patience_s)
    work.docker.tag(reference, work.reference)
    return replace(made_image(work), pulled=_pulled(work, reference))


def _pulled(work: BuildContext, reference: str) -> Pulled:
    """Return the image with the size of its parts, which only its manifest tells; it may stay unknown."""
    image = work.docker.image(work.reference)
    events.progress("asking for its size")
    try:
        return Pulled(images=1, blobs=registry.sizes(reference, architecture=image.architecture if image else ""))
    except (WebError, DigestError):
        return Pulled(images=1, unknown=1)


def _explained(work: BuildContext, reference: str, error: CommandError) -> ArtifactError:
    message = error.stderr.lower()
    title = f"{work.artifact.title} {work.artifact.version_from(upstream=True)}"
    if any(words in message for words in _DAMAGED):
        return DigestError(
            f"{title}: the content of {reference} does not have its digest; it was deleted",
            next="run the command again; if it fails again, do not trust that registry: set another `mirror`",
        )
    if any(words in message for words in _PAGE):
        return ArtifactError(
            f"{title}: the registry of {reference} answers with a web page, as the login page of a network does",
            next="log in to the network in a browser, then run the command again",
        )
    if any(words in message for words in _ABSENT):
        return ArtifactError(
            f"{title}: the registry does not have {reference}", next="copy it to the mirror, or set another `mirror`"
        )
    return ArtifactError(
        f"{title}: pulling {reference} failed: {_last_line(error)}",
        next="check the network, then run the command again; or set a `mirror` under [artifacts] in lab.toml",
    )


def _last_line(error: CommandError) -> str:
    return (error.stderr.strip() or "no reason given").splitlines()[-1]
