"""Follow the output of `--show` as a person does: kubectl's commands, on API servers in memory."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

import yaml

from lab.kube.objects import Ref
from lab.kube.writes import Verb
from tests.unit.fake_api import KINDS, FakeApi, kube, put


def follow(apis: Mapping[str, FakeApi], text: str) -> None:
    """Run the commands of a text one after the other, each with the documents below it."""
    words: list[str] = []
    documents = ""
    for line in [*text.splitlines(), "# kubectl end"]:
        if (command := line.removeprefix("# ")).startswith("kubectl "):
            _run(apis, words, documents)
            words, documents = shlex.split(command), ""
        else:
            documents += f"{line}\n"


def _run(apis: Mapping[str, FakeApi], words: list[str], documents: str) -> None:
    objects = [obj for obj in yaml.safe_load_all(documents) if obj]
    if not words:
        assert not objects
        return
    context = words[1].removeprefix("--context=")
    api = kube(apis[context], context)
    if words[2] == "apply":
        assert words[-2:] == ["-f", "-"]
        assert objects
        for obj in objects:
            put(api, obj)
        return
    assert words[2] == "-n"
    assert not objects
    namespace, verb, resource, name, *rest = words[3:]
    wanted = _ref(resource, name, namespace)
    body = {}
    if verb == "label":
        labels = dict(_label(word) for word in rest if word != "--overwrite")
        body = {"metadata": {"labels": labels}}
        existing = ((api.get(wanted) or {})["metadata"].get("labels")) or {}
        replaced = [key for key, value in labels.items() if value is not None and existing.get(key, value) != value]
        assert not replaced or "--overwrite" in rest  # as kubectl refuses it
    elif verb == "patch":
        assert rest[-3:-1] == ["--type=merge", "-p"]
        body = json.loads(rest[-1])
    else:
        assert (verb, rest) == ("delete", [])
    changed = api.write(Verb.DELETE if verb == "delete" else Verb.PATCH, wanted, body=body)
    assert changed is not None, f"{wanted} does not exist"


def _label(word: str) -> tuple[str, str | None]:
    key, _, value = word.partition("=")
    return (key, value) if "=" in word else (key.removesuffix("-"), None)


def _ref(resource: str, name: str, namespace: str) -> Ref:
    kind, _, group = resource.partition(".")
    (found,) = {
        (version, one)
        for version, kinds in KINDS.items()
        for one in kinds
        if one.lower() == kind and (version.rpartition("/")[0] == group or (not group and "." not in version))
    }
    return Ref(api_version=found[0], kind=found[1], name=name, namespace=namespace)
