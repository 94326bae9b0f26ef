"""The topology: locks are proofs, refusals are not failures."""

from __future__ import annotations

import re

import pytest

from tests.browser.page.kit import Api, Loop, Podinfo, istio, linkerd, running


def both(loop: Loop, identities, **options) -> dict[str, Podinfo]:
    return {
        "podinfo": Podinfo(loop, {"west": 1, "east": 1}, identities=identities),
        "podinfo-east": Podinfo(loop, {"east": 1}, identities=identities, **options),
    }


def test_a_lock_has_the_identities_of_both_ends(view, loop: Loop):
    identities = {name: istio("west", name) for name in ("east", "west")}
    with running(both(loop, identities)) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20")
        viewer.waits("() => document.querySelectorAll('#topology .lock').length === 2")
        edges = viewer.edges()

    client = "spiffe://west.example/ns/test/sa/frontend"
    assert f"{client} ⇄ spiffe://west.example/ns/test/sa/podinfo" in edges["podinfo → west"]
    assert f"{client} ⇄ spiffe://east.example/ns/test/sa/podinfo" in edges["podinfo → east"]
    assert "the gateway passes the encrypted connection through" in edges["podinfo → east"]
    assert "the gateway" not in edges["podinfo → west"]


def test_linkerd_names_the_caller_and_the_gateway(view, loop: Loop):
    identities = {name: linkerd("west", name) for name in ("east", "west")}
    with running(both(loop, identities)) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20")
        viewer.waits("() => document.querySelectorAll('#topology .lock').length === 2")
        edges = viewer.edges()

    assert "behind linkerd-gateway.linkerd-multicluster.serviceaccount" in edges["podinfo → east"]
    assert "its identity is not in the headers of this mesh" in edges["podinfo → west"]


def test_without_certificates_there_is_no_lock(view, loop: Loop):
    with running(both(loop, {})) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20")
        viewer.sees("#edges", "mTLS not proven")
        viewer.answers(40)
        locks = viewer.page.locator("#topology .lock").count()

    assert locks == 0


def test_a_refused_name_is_shown_beside_an_allowed_one(view, loop: Loop):
    identities = {name: istio("west", name) for name in ("east", "west")}
    with running(both(loop, identities, failures={"refused": 1})) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20&upstream=podinfo&upstream=podinfo-east")
        viewer.sees("#edges", "refused by the mesh\u2019s policy: HTTP 403: RBAC: access denied")
        viewer.waits("() => document.querySelector('#topology .lock')")
        kinds = viewer.page.locator("#topology .label").evaluate_all(
            "(all) => all.map((one) => one.getAttribute('class'))"
        )
        edges = viewer.edges()

    assert "label refused" in kinds
    assert "label failed" not in kinds
    assert "podinfo-east → east" in edges
    assert "mTLS proven" in "".join(edges.values())


def test_a_failure_is_drawn_as_one(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1}, failures={"status": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20")
        viewer.sees("#edges", "100 % without an answer: HTTP 503: no healthy upstream")
        viewer.waits("() => document.querySelector('#topology .label.failed')")
        assert viewer.page.locator("#topology .label.refused").count() == 0


def test_weights_are_on_the_edges(view, loop: Loop):
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running(both(loop, {}), api) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=50")
        viewer.sees("#edges", re.compile(r"podinfo → east\d+ % \(weight 50 %\)"))
        viewer.sees("#topology .label text", re.compile(r"\d+ % · set 50 %"))
        assert viewer.page.locator("#topology .box").count() == 2


OVERLAPS = """() => {
  const parts = [".node rect", ".label rect", ".lock circle", ".swatch"].map((part) => `#topology ${part}`).join();
  const boxes = [...document.querySelectorAll(parts)]
    .map((one) => one.getBoundingClientRect());
  const all = document.querySelector("#topology").getBoundingClientRect();
  const found = [];
  boxes.forEach((one, at) => {
    if (one.left < all.left - 1 || one.right > all.right + 1 || one.top < all.top - 1 || one.bottom > all.bottom + 1) {
      found.push(["outside", at]);
    }
    for (const other of boxes.slice(at + 1)) {
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (wide > 2 && high > 2) found.push([one.toJSON(), other.toJSON()]);
    }
  });
  return found;
}"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720), (3840, 2160)])
@pytest.mark.parametrize("name", ["all", "stage", "topology"])
def test_no_label_covers_a_node_or_another_label(view, loop: Loop, name: str, width: int, height: int):
    identities = {name: istio("west", name) for name in ("east", "west")}
    upstreams = {
        "podinfo": Podinfo(loop, {"west": 1, "east": 1}, identities=identities, failures={"status": 0.2}),
        "podinfo-east": Podinfo(loop, {"east": 1}, failures={"refused": 1}),
    }
    api = Api(loop, {"podinfo": {"podinfo": 50, "podinfo-east": 50}})
    with running(upstreams, api) as frontend:
        viewer = view(
            f"{frontend.url}/?view={name}&rate=50&upstream=podinfo&upstream=podinfo-east", width=width, height=height
        )
        if name == "stage" and width == 390:
            viewer.page.set_viewport_size({"width": 700, "height": 800})
        viewer.waits("() => document.querySelectorAll('#topology .lock').length === 2")
        viewer.waits("() => document.querySelectorAll('#topology .label').length === 4")
        found = viewer.page.evaluate(OVERLAPS)

    assert found == []


def test_an_ingress_is_drawn_where_its_proxy_names_itself(view, loop: Loop):
    with running(both(loop, {})) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=20")
        viewer.answers(5)
        viewer.waits("() => document.querySelector('#topology .workload')")
        without = viewer.page.locator("#topology .node text").all_text_contents()

        def envoy(route):
            answer = route.fetch()
            route.fulfill(response=answer, headers={**answer.headers, "server": "istio-envoy"})

        viewer.page.route("**/api/info", envoy)
        viewer.page.reload()
        viewer.answers(5)
        viewer.sees("#topology .node:has-text('ingress')", "ingress")

    assert "ingress" not in without


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_six_clusters_fit_into_the_picture(view, loop: Loop, width: int, height: int):
    six = ("west", "east", "north", "south", "alps", "bay")
    with running({"podinfo": Podinfo(loop, dict.fromkeys(six, 1))}) as frontend:
        viewer = view(f"{frontend.url}/?view=topology&rate=50", width=width, height=height)
        viewer.waits("() => document.querySelectorAll('#topology .box').length === 6")
        outside = viewer.page.evaluate(
            """() => {
              const all = document.querySelector("#topology").getBoundingClientRect();
              return [...document.querySelectorAll("#topology rect, #topology text")].filter((one) => {
                const { left, right, top, bottom } = one.getBoundingClientRect();
                return left < all.left - 1 || right > all.right + 1 || top < all.top - 1 || bottom > all.bottom + 1;
              }).map((one) => one.outerHTML);
            }"""
        )

    assert outside == []
    assert viewer.page.evaluate(OVERLAPS) == []
