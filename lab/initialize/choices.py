"""What a person chose: one value that flags, a file and a URL give alike, and that is written back as any of them."""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from lab.base.errors import ConfigError, Problem, UsageError
from lab.base.toml_lines import line_of, lines_of
from lab.initialize import rules
from lab.initialize.model import Category, Option, Rule, Wiring
from lab.initialize.options import BY_ID, CATEGORIES, OPTIONS

FORMAT = 1
"""The format of files and URLs; a newer one is refused."""
FILE_NAME = "initializer.toml"
FORMS = ("kustomize", "argocd", "flux", "helmfile")
RECONCILERS = ("argocd", "flux")
"""Forms that are options, too."""
NONE = "none"
MOST_QUERY = 2000
"""Characters of a URL's query: browsers and proxies pass on at least this many."""
_MOST_SHOWN = 60
_MOST_REGISTRY, _MOST_SOURCE = 255, 500
"""Characters. With these, the query of all choices has at most MOST_QUERY, so that it can be read back."""
_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(rf"{_HOST}(:[0-9]{{1,5}})?(/{_NAME})*")
_PATH = r"(/(?!\.\.?(/|$))[A-Za-z0-9._:~-]*)*"
_SOURCE = re.compile(rf"(oci|https|ssh|http)://([A-Za-z0-9._~-]+@)?{_HOST}(:[A-Za-z0-9._~-]+)?{_PATH}")
TEXTS = ("as", "registry", "source")
"""What is chosen beside the categories: the form of the output, a registry that has all images, and the repository that
Argo CD or Flux reads the folder from."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The chosen ids of each category, in the options' order; the form of the output; other registries."""

    selected: Mapping[str, tuple[str, ...]] = field(hash=False)
    form: str = "kustomize"
    registry: str = ""
    source: str = ""
    unavailable: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    """Chosen options that this machine can only refer to, and the artifact that each lacks: `references.py`. It is no
    choice, and is not written back."""

    @property
    def ids(self) -> frozenset[str]:
        """All chosen ids."""
        return frozenset(id_ for ids in self.selected.values() for id_ in ids)

    @property
    def options(self) -> list[Option]:
        """The chosen options, in the order of the questions."""
        chosen = [OPTIONS[id_] for category in CATEGORIES for id_ in self.selected[category.id] if id_ in OPTIONS]
        missing = self.unavailable
        return [one.as_reference(missing[one.id]) if one.id in missing else one for one in chosen]

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters' names."""
        return ("east", "west") if "east-west" in self.ids else ("east",)

    def wires(self, wires: Iterable[Wiring]) -> list[Wiring]:
        """Return those wires each of whose ends has a chosen option."""
        return [wire for wire in wires if wire.exists(self.ids)]

    @property
    def broken(self) -> list[Rule]:
        """The rules that the choices break; empty if the combination is possible."""
        return list(rules.broken(self.ids))

    def with_(self, changed: Mapping[str, tuple[str, ...]]) -> Choices:
        """Return the choices with other ids in some categories."""
        return replace(self, selected={**self.selected, **{k: _sorted(BY_ID[k], v) for k, v in changed.items()}})

    # Written back

    def query(self) -> str:
        """Return the choices as a URL's query; the same choices always give the same text."""
        pairs = [(category, ",".join(ids)) for category, ids in self.selected.items() if ids]
        return urlencode([("format", str(FORMAT)), *pairs, *self._texts()], safe=",:/")

    def toml(self) -> str:
        """Return the choices as initializer.toml."""
        lines = [
            "# Choices of `lab initialize`; `lab initialize FOLDER --from initializer.toml` writes the same folder.",
            f"format = {FORMAT}",
            *(f"{name} = {_quoted(value)}" for name, value in self._texts()),
            "",
            "[choices]",
        ]
        for category in CATEGORIES:
            ids = self.selected[category.id]
            value = f"[{', '.join(map(_quoted, ids))}]" if category.many else _quoted(ids[0])
            lines.append(f"{category.id} = {value}")
        return "\n".join([*lines, ""])

    def flags(self) -> list[str]:
        """Return the choices as the words of the command line."""
        pairs = [(category, ",".join(ids) or NONE) for category, ids in self.selected.items()]
        return [word for name, value in [*pairs, *self._texts()] for word in (f"--{name}", value)]

    def command(self, folder: str) -> str:
        """Return the command line that writes the choices to a folder; it names only what is not the default."""
        usual = default().flags()
        pairs = list(zip(self.flags()[::2], self.flags()[1::2], strict=True))
        known = set(zip(usual[::2], usual[1::2], strict=True))
        # Without any choice, the command would ask.
        chosen = [pair for pair in pairs if pair not in known] or pairs[:1]
        return shlex.join(["lab", "initialize", folder, *(word for pair in chosen for word in pair)])

    def _texts(self) -> Iterator[tuple[str, str]]:
        values = zip(TEXTS, (self.form, self.registry, self.source), strict=True)
        yield from ((name, value) for name, value in values if value)


def form_problems(choices: Choices) -> Iterator[str]:
    """Yield why the form or the repository does not fit the options."""
    if choices.form in RECONCILERS and choices.form not in choices.ids:
        yield f"The form {choices.form} writes objects of {OPTIONS[choices.form].title}, which is not chosen."
    if choices.source.startswith("oci://") and "argocd" in choices.ids:
        yield "Argo CD reads the folder from a Git repository."


def default() -> Choices:
    """Return the choices of a person who chooses nothing."""
    return Choices(selected={one.id: (one.default,) if one.default else () for one in CATEGORIES})


def of(given: Mapping[str, Any], *, source: str, text: str = "", base: Choices | None = None) -> Choices:
    """Return the choices that a mapping describes: ids by category, as text with commas or as a list.

    Args:
        given: the mapping; also `as`, `registry` and `source`.
        source: where it is from, for messages.
        text: the text of a TOML file, for its lines.
        base: the choices for what is not given; by default the defaults.

    Raises:
        ConfigError: with every problem, for a file.
        UsageError: with every problem, for flags and URLs.
    """
    problems: list[Problem] = []
    lines = lines_of(text)
    base = base or default()
    selected = dict(base.selected)
    values = dict(zip(TEXTS, (base.form, base.registry, base.source), strict=True))

    def report(key: str, message: str) -> None:
        line = (line_of(("choices", key), lines) or line_of((key,), lines)) if text else None
        problems.append(Problem(key=_plain(key), text=message, line=line))

    for key, value in given.items():
        if key in values:
            values[key] = value if isinstance(value, str) else ""
            if message := _text_problem(key, value):
                report(key, message)
        elif key not in BY_ID:
            report(key, f"unknown category{_nearest(key, [*BY_ID, *values])}")
        else:
            ids, messages = _ids(BY_ID[key], value)
            selected[key] = ids
            for message in messages:
                report(key, message)
    if problems:
        raise _error(source, problems, is_file=bool(text))
    return Choices(selected=selected, form=values["as"], registry=values["registry"], source=values["source"])


def parse_toml(text: str, *, source: str = FILE_NAME) -> Choices:
    """Return the choices of an initializer.toml.

    Raises:
        ConfigError: it is not valid; with every problem.
        UsageError: it is of a newer format.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError only
        raise ConfigError(source, [Problem(key="TOML", text=str(error))]) from error
    _check_format(raw.pop("format", FORMAT), source)
    chosen = raw.pop("choices", {})
    if not isinstance(chosen, Mapping):
        raise ConfigError(source, [Problem(key="choices", text="must be a table, [choices]")])
    if twice := sorted(raw.keys() & chosen.keys()):
        raise ConfigError(source, [Problem(key=key, text="is given twice: before and in [choices]") for key in twice])
    return of({**raw, **chosen}, source=source, text=text)


def parse_query(query: str, *, source: str = "the URL") -> Choices:
    """Return the choices of a URL, or of its query alone.

    Raises:
        UsageError: it is too long, of a newer format, or not valid.
    """
    words = query.partition("?")[2].partition("#")[0] if "?" in query else query
    if len(words) > MOST_QUERY:
        raise UsageError(
            f"{source} has {len(words)} characters after `?`; at most {MOST_QUERY} are read",
            next=f"write the choices into a file {FILE_NAME}, and give it with --from",
        )
    given: dict[str, Any] = {}
    try:
        pairs = parse_qsl(words, keep_blank_values=True, strict_parsing=bool(words), max_num_fields=50)
    except ValueError as error:
        raise UsageError(f"{source} is not valid: {error}", next="lab initialize --list") from error
    for key, value in pairs:
        if key in given and not (key in BY_ID and BY_ID[key].many):
            raise UsageError(f"{source} has {_plain(key)} twice", next="remove one of them")
        given[key] = f"{given[key]},{value}" if key in given else value
    _check_format(given.pop("format", str(FORMAT)), source)
    return of(given, source=source)


def _check_format(value: object, source: str) -> None:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number == FORMAT and not isinstance(number, bool):
        return
    if isinstance(number, int) and number > FORMAT:
        raise UsageError(
            f"the format is newer; this version of the lab reads format {FORMAT}",
            where=source,
            next="install a newer version of the lab: pipx upgrade eastwest-lab",
        )
    raise UsageError("the format is unknown", where=source, next=f"write format = {FORMAT}")


def _ids(category: Category, value: object) -> tuple[tuple[str, ...], list[str]]:
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else [value]
    words = [word.strip() for word in given if isinstance(word, str) and word.strip()]
    if not all(isinstance(word, str) for word in given):
        return (), ["must be text in quotation marks, or a list of such texts"]
    problems: list[str] = []
    selectable = [option.id for option in category.options if option.selectable]
    if category.many:
        chosen = [word for word in words if word != NONE]
        if chosen and NONE in words:
            problems.append(f"choose either {NONE} or {', '.join(chosen)}")
        words = chosen
    elif len(words) != 1:
        problems.append(f"needs exactly one of: {', '.join(selectable)}")
        words = []
    for word in words:
        option = category.option(word)
        if option is None:
            known = [one.id for one in category.options]
            problems.append(f"unknown choice {word!r}{_nearest(word, known, selectable)}")
        elif not option.selectable:
            problems.append(f"{option.title}: {option.advice()} instead")
    return _sorted(category, words), problems


def _sorted(category: Category, ids: Iterable[str]) -> tuple[str, ...]:
    wanted = {*ids}
    return tuple(option.id for option in category.options if option.id in wanted)


def _text_problem(key: str, value: object) -> str:
    if not isinstance(value, str):
        return "must be text in quotation marks"
    if key == "as" and value not in FORMS:
        return f"unknown form {value!r}{_nearest(value, FORMS)}"
    most = {"registry": _MOST_REGISTRY, "source": _MOST_SOURCE}.get(key, len(value))
    if len(value) > most:
        return f"has {len(value)} characters; at most {most} are possible"
    if key == "registry" and value and not _REGISTRY.fullmatch(value):
        return "is not a registry, as in registry.example:5000/prefix"
    if key == "source" and value and not _SOURCE.fullmatch(value):
        return "is not a repository, as in https://git.example/folder.git or oci://registry.example/folder"
    return ""


def _nearest(word: str, known: Sequence[str], listed: Sequence[str] | None = None) -> str:
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {', '.join(near)}?" if near else f"; it has: {', '.join(listed or known)}"


def _plain(key: str) -> str:
    """Return a key for a message; what a terminal would not print is escaped, and long ones are cut."""
    shown = key if key.isprintable() else repr(key)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _error(source: str, problems: Sequence[Problem], *, is_file: bool) -> UsageError:
    if is_file:
        return ConfigError(source, problems)
    lines = [f"{problem.key}: {problem.text}" for problem in problems]
    return UsageError("\n  ".join(lines), where=source, next="lab initialize --list")
