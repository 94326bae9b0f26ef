from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from lab.stage.recording import delta
from tests.unit.stage.recording.kit import state


def document(made: random.Random, depth: int = 0) -> Any:
    kind = made.randrange(6 if depth < 4 else 4)
    match kind:
        case 0:
            return made.choice([None, True, False, 0, 1, 1.0, -2.5])
        case 1 | 2 | 3:
            return made.choice(["", "a", "b\nc", "ü", "0"])
        case 4:
            return [document(made, depth + 1) for _ in range(made.randrange(4))]
        case _:
            return {made.choice("abcde"): document(made, depth + 1) for _ in range(made.randrange(4))}


def mutated(made: random.Random, value: Any) -> Any:
    if made.random() < 0.2:
        return document(made)
    if isinstance(value, dict):
        changed = {key: mutated(made, one) for key, one in value.items() if made.random() < 0.9}
        return {**changed, "new": 1} if made.random() < 0.3 else changed
    if isinstance(value, list):
        changed_list = [mutated(made, one) for one in value]
        return [*changed_list, "more"] if made.random() < 0.3 else changed_list
    return value


@pytest.mark.parametrize("seed", range(60))
def test_changes_turn_a_document_into_the_other_and_leave_it_as_it_is(seed: int) -> None:
    made = random.Random(seed)
    before = document(made)
    after = mutated(made, before) if seed % 3 else document(made)
    kept = copy.deepcopy(before)
    changed = json.loads(json.dumps(delta.changes(before, after)))  # as a file has them
    found = delta.apply(before, changed)
    assert json.dumps(found) == json.dumps(after) or found == after
    assert [type(one) for one in _leaves(found)] == [type(one) for one in _leaves(after)]
    assert before == kept
    assert (changed == []) == (json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key])]
    if isinstance(value, list):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value]


def test_a_step_that_ends_takes_few_bytes() -> None:
    before, after = state(0), state(1)
    assert len(json.dumps(delta.changes(before, after))) < len(json.dumps(after)) / 5


@pytest.mark.parametrize("changed", [[[["x"], 1, 2]], [[["a", "b"], 1]], [[[5], 1]], [[[], 1, 2]], [[[0]]], ["x"], [5]])
def test_changes_of_another_document_are_refused(changed: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        delta.apply({"a": [1]} if changed != [[[5], 1]] else [1], changed)
