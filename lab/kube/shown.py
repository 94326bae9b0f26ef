"""Show planned changes: as YAML for `kubectl apply`, as kubectl commands, or as records. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from lab.base.names import Json
from lab.kube import manifests
from lab.kube.writes import Write

NOTHING = "# nothing to apply or delete\n"


def as_text(writes: Sequence[Write]) -> str:
    """Return changes in their order.

    If a change applies an object, the text is YAML: consecutive objects of one cluster follow a comment with the
    command that applies them, and other changes are commands in comments. Otherwise the text is commands only.
    """
    if not writes:
        return NOTHING
    as_yaml = any(write.object is not None for write in writes)
    text, separator = "", ""
    for command, group in groups(writes):
        text += separator + "".join(f"# first wait for {what}\n" for what in group[0].after)
        objects = [write.object for write in group if write.object is not None]
        text += ("# " if as_yaml else "") + command + "\n"
        text += "---\n".join(map(manifests.dump, objects))
        separator = "---\n" if objects else "\n" if as_yaml else ""
    return text


def groups(writes: Sequence[Write]) -> list[tuple[str, list[Write]]]:
    """Return the kubectl commands of changes, each with the changes that it makes."""
    found: list[tuple[str, list[Write]]] = []
    for write in writes:
        same = found and found[-1][0] == write.command and write.object is not None and not write.after
        if same:
            found[-1][1].append(write)
        else:
            found.append((write.command, [write]))
    return found


def as_records(writes: Sequence[Write]) -> list[dict[str, Json]]:
    """Return changes in their order, each with its cluster, action, kubectl command, and object if it applies one.

    `after` lists what has to happen first, such as the work of a controller on an earlier change.
    """
    return [
        {
            "cluster": write.cluster.name,
            "action": write.action,
            "command": write.command,
            **({"object": write.object} if write.object is not None else {}),
            **({"after": list(write.after)} if write.after else {}),
        }
        for write in writes
    ]
