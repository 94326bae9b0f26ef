"""Edits of upstream's objects fail if what they edit is missing; images get other registries."""

from __future__ import annotations

import pytest

from lab.base.errors import ArtifactError
from lab.initialize import edits, images
from lab.initialize.model import ApplyStage
from lab.kube.objects import Obj


def deployment() -> Obj:
    containers = [{"name": "a", "image": "old:1", "args": ["--x"]}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def test_a_text_is_replaced_in_a_copy() -> None:
    before = deployment()
    (after,) = edits.texts([before], {"old:1": "new:2"}, of="it")
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "new:2"
    assert before == deployment()
    with pytest.raises(ArtifactError, match="cannot edit upstream's YAML of it: it has no text gone, old"):
        edits.texts([before], {"old": "new", "gone": "new"}, of="it")


def test_an_object_is_edited_in_a_copy() -> None:
    before = deployment()

    def edit(obj: Obj) -> None:
        edits.container(obj, "a")["args"].append("--y")
        edits.annotated(obj, {"b": "c"})

    (after,) = edits.change([before], "Deployment", "a", edit, of="it")
    assert edits.container(after, "a")["args"] == ["--x", "--y"]
    assert after["spec"]["template"]["metadata"]["annotations"] == {"b": "c"}
    assert before == deployment()


def test_an_edit_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ArtifactError, match="0 objects Deployment b"):
        edits.change([deployment()], "Deployment", "b", lambda obj: None, of="it")
    with pytest.raises(ArtifactError, match="Deployment a has no"):
        edits.change([deployment()], "Deployment", "a", lambda obj: edits.container(obj, "z").clear(), of="it")
    with pytest.raises(ArtifactError, match="Deployment a has no 'nothing'"):
        edits.change([deployment()], "Deployment", "a", lambda obj: obj.__delitem__("nothing"), of="it")
    with pytest.raises(ArtifactError, match="no Service a"):
        edits.without([deployment()], ("Service", "a"), of="it")


def test_objects_get_their_stages_and_namespaces() -> None:
    crd: Obj = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "c"}}
    own: Obj = {"apiVersion": "example.test/v1", "kind": "Thing", "metadata": {"name": "t"}}
    role: Obj = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    parts = edits.staged([own, deployment(), role, crd], crds="text")
    assert [part.stage for part in parts] == [
        ApplyStage.CRDS,
        ApplyStage.CRDS,
        ApplyStage.OPERATORS,
        ApplyStage.OBJECTS,
    ]
    placed = edits.placed([own, role, crd], "here")
    assert [obj["metadata"].get("namespace") for obj in placed] == ["here", None, None]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/istio/pilot:1", "r.example/x/istio/pilot:1"),
        ("localhost:5000/a/b:1", "r.example/x/a/b:1"),
        ("eastwest-lab/frontend:1", "r.example/x/eastwest-lab/frontend:1"),
        ("cgr.dev/a/b@sha256:0", "r.example/x/a/b@sha256:0"),
    ],
)
def test_an_image_keeps_its_path_in_another_registry(image: str, expected: str) -> None:
    assert images.mirrored(image, "r.example/x") == expected


def test_all_names_of_an_image_are_replaced_and_no_others() -> None:
    text = 'image: a.example/p:1\nargs: ["-i", "a.example/p:1"]\nname: a.example/p\nother: a.example/p/q:1\n'
    text += "x: b.a.example/p:1\n"
    moved = images.moved(text, ["a.example/p:1"], "r.example")
    assert moved == (
        'image: r.example/p:1\nargs: ["-i", "r.example/p:1"]\nname: r.example/p\nother: a.example/p/q:1\n'
        "x: b.a.example/p:1\n"
    )
    assert list(images.named_in(text, ["a.example/p:1", "example/p:1"])) == ["a.example/p:1"]
