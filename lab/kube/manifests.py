"""Read Kubernetes objects from YAML files and templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml

from lab.base.errors import LabError
from lab.kube.objects import Obj

_ENGINE = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
# C's parser is many times faster on CRDs; some builds of PyYAML lack it.
_LoaderBase: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DumperBase: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_LoaderBase):  # type: ignore[misc]  # one of two classes of PyYAML, whose types are unknown
    """Reads YAML as Kubernetes does."""


# In YAML 1.1 a bare `=` has a tag of its own, which PyYAML does not read; CRDs have it in their enumerations.
_Loader.add_constructor("tag:yaml.org,2002:value", yaml.SafeLoader.construct_yaml_str)


def parse(text: str, *, source: str) -> list[Obj]:
    """Return the objects of a YAML text, those of lists included; empty documents are skipped.

    Raises:
        LabError: the text is not YAML, or a document is not a Kubernetes object.
    """
    try:
        return list(_flat(yaml.load_all(text, Loader=_Loader), source))
    except yaml.YAMLError as error:
        raise LabError(f"is not YAML: {error}", where=source) from error


def _flat(documents: Any, source: str) -> Iterator[Obj]:
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or "kind" not in document:
            raise LabError("contains a document that is not a Kubernetes object", where=source)
        if document["kind"] == "List":
            yield from _flat(document["items"], source)
        else:
            yield document


def load(file: Path) -> list[Obj]:
    """Return the objects of a YAML file."""
    return parse(file.read_text(encoding="utf-8"), source=str(file))


def render(file: Path, **values: object) -> list[Obj]:
    """Render a Jinja2 template and return its objects; every variable must have a value."""
    try:
        text = _ENGINE.from_string(file.read_text(encoding="utf-8")).render(values)
    except jinja2.UndefinedError as error:
        raise LabError(f"the template needs a value: {error.message}", where=str(file)) from error
    return parse(text, source=str(file))


def load_document(text: str, *, source: str = "") -> Any:
    """Return the content of one YAML document.

    Raises:
        LabError: the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise LabError(f"is not YAML: {error}", where=source or None) from error


def dump(document: object) -> str:
    """Return an object as YAML."""
    return yaml.safe_dump(document, sort_keys=False)


class _Dumper(_DumperBase):  # type: ignore[misc]  # one of two classes of PyYAML, whose types are unknown
    """Writes texts of several lines as such, and no anchors: people read and compare the files."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: an object that is used twice is written twice."""
        del data
        return True


def _text(dumper: Any, text: str) -> Any:
    # A tab, or a space before a line break, cannot be in a literal block.
    lines = text.split("\n")
    is_block = len(lines) > 1 and "\t" not in text and not any(line.endswith(" ") for line in lines)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)


_Dumper.add_representer(str, _text)
_WIDTH = 1 << 20
"""No line is folded: PyYAML and libyaml fold long lines at different places."""


def dump_all(objects: Iterable[object]) -> str:
    """Return objects as a YAML text of several documents, each with its `---`; the same text with every PyYAML."""
    return "".join(f"---\n{dump_document(obj)}" for obj in objects)


def dump_document(document: object) -> str:
    """Return an object as YAML for files that people keep; `dump` is for what the lab shows."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return str(text)
