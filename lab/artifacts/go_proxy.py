"""Download Go modules from the module proxy without a Go toolchain, and verify them as go.sum does.

Sources: "GOPROXY protocol" and "Module paths" (case-encoding) in the Go Modules Reference; the hash is Hash1 of
golang.org/x/mod/sumdb/dirhash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lab.artifacts import web
from lab.base.errors import ArtifactError, DigestError

_DEFAULT = "https://proxy.golang.org,direct"
_CHUNK = 1 << 20
_CREDENTIALS = re.compile(r"//[^/@]*@")


def fetch(module: str, version: str, *, sum_: str, target: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Download a module's zip file and verify its hash.

    Args:
        module: the module's path, such as `sigs.k8s.io/gateway-api`.
        version: its version, such as `v1.6.3`.
        sum_: the hash in go.sum, `h1:…`.
        target: the file to write; its folder exists.
        environ: `GOPROXY` (else the file that `go env -w` writes, else Go's default) names the proxies.

    Raises:
        ArtifactError: no proxy has the module, or each is unreachable.
        DigestError: the file has another hash; it was deleted.
    """
    path = f"{_escaped(module)}/@v/{_escaped(version)}.zip"
    observed: list[str] = []
    for proxy, tries_next in _proxies(_setting(environ)):
        if proxy in {"off", "direct"}:
            observed.append("`direct` needs Go and a version control tool" if proxy == "direct" else "`off`")
            continue
        try:
            _take(f"{proxy.rstrip('/')}/{path}", target)
        except web.WebError as error:
            observed.append(_CREDENTIALS.sub("//", str(error)))
            if error.absent or tries_next:
                continue
            break
        _verify(target, sum_, what=f"{module}@{version}")
        return
    raise ArtifactError(
        f"the Go module {module} {version} is unavailable: {'; '.join(observed) or 'GOPROXY names no proxy'}",
        next="check the network and GOPROXY, then run the command again",
    )


def hash1(file: Path) -> str:
    """Return the hash of a module's zip file as go.sum writes it.

    Raises:
        ArtifactError: it is not a zip file, or a name in it has a line break.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            lines = sorted(_lines(packed))
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ArtifactError(f"{file.name} is not a module's zip file: {error}") from error
    total = hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode())
    return f"h1:{b64encode(total.digest()).decode()}"


def _lines(packed: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for entry in packed.infolist():
        if entry.is_dir():
            continue
        if "\n" in entry.filename:
            raise ArtifactError(f"{packed.filename} has a file whose name has a line break")
        digest = hashlib.sha256()
        with packed.open(entry) as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
        yield entry.filename, digest.hexdigest()


def _verify(file: Path, sum_: str, *, what: str) -> None:
    found = hash1(file)
    if found != sum_:
        file.unlink()
        raise DigestError(
            f"the Go module {what} has the hash {found}, not {sum_} as the catalogue says",
            next="do not use this proxy: it gives other files than those that were checked; set GOPROXY",
        )


def _take(url: str, target: Path) -> None:
    target.unlink(missing_ok=True)
    if url.startswith("file://"):
        source = Path(unquote(urlsplit(url).path))
        if not source.is_file():
            raise web.WebError(f"there is no file {source}", absent=True)
        shutil.copyfile(source, target)
        return
    web.download(url, target)


def _escaped(name: str) -> str:
    """Return a path in the proxy's form: an upper-case letter is `!` and the lower-case one."""
    return re.sub(r"[A-Z]", lambda letter: f"!{letter[0].lower()}", name)


def _proxies(setting: str) -> Iterator[tuple[str, bool]]:
    """Yield each proxy, and whether the next one is used after any error (`|`), not only if it has no such module."""
    for proxy, separator in re.findall(r"([^,|]+)([,|]?)", setting):
        if proxy.strip():
            yield proxy.strip(), separator == "|"


def _setting(environ: Mapping[str, str]) -> str:
    return environ.get("GOPROXY") or _written(environ) or _DEFAULT


def _written(environ: Mapping[str, str]) -> str:
    """Return GOPROXY from the file that `go env -w` writes (`go help environment`); empty if it does not name it."""
    home = environ.get("HOME", "")
    usual = f"{home}/Library/Application Support" if sys.platform == "darwin" else f"{home}/.config"
    file = environ.get("GOENV") or f"{environ.get('XDG_CONFIG_HOME') or usual}/go/env"
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.removeprefix("GOPROXY=") for line in lines if line.startswith("GOPROXY=")), "")
