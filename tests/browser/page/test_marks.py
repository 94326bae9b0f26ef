"""The labels of marks: readable, none on another, at every size; and the chart below them keeps its room."""

from __future__ import annotations

import itertools

import pytest

from tests.browser.page.kit import Frontend, Loop, Podinfo, running
from tests.browser.page.viewer import Viewer

LABELS = """() => {
  const box = (one) => one.getBoundingClientRect().toJSON();
  const list = document.querySelector(".flags");
  return {
    plot: box(list.closest(".plot")),
    unit: parseFloat(getComputedStyle(document.documentElement).fontSize),
    labels: [...list.children].map((item) => {
      const words = item.querySelector(".words");
      return { ...box(item), text: item.textContent, title: item.title, words: words.textContent,
               shortened: words.scrollWidth > words.clientWidth };
    }),
  };
}"""
TEXTS = (
    "Export podinfo from East to West with a mirror Service in the namespace test",
    "kubectl scale deployment podinfo --replicas=0",
    "x",
    "Kill podinfo in West",
    "Undo",
    "Split podinfo 50:50 over West and East",
    "Undo: podinfo in West again",
)
CASES = [
    *(("timeline", size, theme) for size in ((390, 844), (1280, 800), (3840, 2160)) for theme in ("light", "dark")),
    *(("all", size, "light") for size in ((390, 844), (1280, 800), (3840, 2160))),
    ("stage", (900, 900), "light"),
    ("stage", (900, 900), "dark"),
    ("stage", (640, 480), "dark"),
]


@pytest.fixture(scope="module")
def frontend(loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1, "east": 1}, failures={"status": 0.2})}) as made:
        yield made


def intersections(labels) -> list[tuple[str, str]]:
    return [
        (one["text"], other["text"])
        for one, other in itertools.combinations(labels, 2)
        if min(one["right"], other["right"]) - max(one["left"], other["left"]) > 0.5
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 0.5
    ]


def marked(viewer: Viewer, frontend: Frontend, run: str) -> None:
    for number, text in enumerate(TEXTS):
        frontend.mark(f"{text} {run}", kind="note", intended=number == 3)
    viewer.waits(
        "(texts) => texts.every((text) => document.querySelector('.flags').textContent.includes(text))",
        [f"{text} {run}" for text in TEXTS],
    )


@pytest.mark.parametrize(("name", "size", "theme"), CASES)
def test_no_label_is_on_another_and_the_whole_text_is_there(
    view, frontend: Frontend, name: str, size: tuple[int, int], theme: str
):
    width, height = size
    viewer = view(f"{frontend.url}/?rate=5&view={name}&theme={theme}", width=width, height=height)
    viewer.answers(5)
    marked(viewer, frontend, f"{name} {width} {theme}")
    found = viewer.page.evaluate(LABELS)
    labels, plot = found["labels"], found["plot"]

    assert len(labels) >= 1
    assert intersections(labels) == []
    assert [one["text"] for one in labels if one["left"] < plot["left"] or one["right"] > plot["right"] + 1] == []
    assert [one["text"] for one in labels if one["shortened"] and one["words"] not in one["title"]] == []
    assert min(one["width"] for one in labels) > found["unit"]
    # Four in ten are the labels' at most; what is left of the chart is a chart.
    assert max(one["bottom"] for one in labels) - plot["top"] < plot["height"] * 0.45
    assert plot["height"] > found["unit"] * (4 if height < 500 else 9)


def test_only_a_fault_warns_and_the_stage_leaves_commands_to_its_consoles(view, frontend: Frontend):
    marks = {"step": "Half and half", "command": "kubectl apply", "fault": "Kill podinfo"}
    expected = {"timeline": set(marks.values()), "stage": {marks["step"], marks["fault"]}}
    for name, shown in expected.items():
        viewer = view(f"{frontend.url}/?rate=5&view={name}", width=900, height=900)
        viewer.answers(5)
        for kind, text in marks.items():
            frontend.mark(f"{text} {name}.", kind=kind, intended=True)
        viewer.sees(".flags", f"Kill podinfo {name}. (intended)")
        texts = viewer.page.locator(".flags li").evaluate_all("(all) => all.map((one) => one.title).join('\\n')")
        found = [line for line in texts.split("\n") if f"{name}." in line]

        assert {line.partition(f" {name}.")[0] for line in found} == shown
        assert [line for line in found if "(intended)" in line] == [f"Kill podinfo {name}. (intended)"]
        red = viewer.page.locator(".flags li.intended").all_text_contents()
        assert all(text.startswith("Kill podinfo") for text in red)


def test_labels_stay_apart_while_they_move(view, frontend: Frontend):
    viewer = view(f"{frontend.url}/?rate=5&view=stage", width=900, height=900)
    viewer.answers(5)
    marked(viewer, frontend, "moving")
    seen, places = [], set()
    for _ in range(3):
        place = viewer.page.evaluate("document.querySelector('.flags li').style.left")
        viewer.waits("(place) => document.querySelector('.flags li').style.left !== place", place)
        found = viewer.page.evaluate(LABELS)
        seen += intersections(found["labels"])
        places.add(found["labels"][0]["left"])

    assert seen == []
    assert len(places) > 1


def test_every_mark_has_a_place_or_is_counted_by_a_newer_one(view, frontend: Frontend):
    """Many random marks: labels are within the chart, apart, over their lines, and none is lost."""
    viewer = view(f"{frontend.url}/?rate=1")
    wrong = viewer.page.evaluate(
        """async () => {
          const { place } = await import("/static/js/flags.js");
          let seed = 7;
          const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
          const wrong = [];
          for (let run = 0; run < 2000; run += 1) {
            const [left, right, rows, gap] = [40, 200 + Math.floor(chance() * 1500), 1 + Math.floor(chance() * 4), 6];
            const count = 1 + Math.floor(chance() * 20);
            const crowd = chance();
            const span = right - left;
            const mark = () => ({ x: right - chance() * span * crowd, wide: 30 + chance() * span * 0.55 });
            const marks = Array.from({ length: count }, mark);
            marks.sort((a, b) => a.x - b.x);
            const placed = place(marks, { left, right, rows, gap, least: 50 });
            const all = placed.flatMap(({ at, joined }) => [at, ...joined]).sort((a, b) => a - b);
            if (all.join() !== marks.map((_, at) => at).join()) wrong.push(["lost", run]);
            const newest = placed[0];
            if (newest.at !== count - 1) wrong.push(["newest", run]);
            if (Math.abs(newest.width - marks[count - 1].wide) > 0.01) wrong.push(["shortened", run]);
            for (const one of placed) {
              const end = one.left + one.width;
              if (one.left < left - 0.01 || end > right + 0.01) wrong.push(["outside", run]);
              if (one.row < 0 || one.row >= rows) wrong.push(["row", run]);
              if (one.left > one.x + 0.01 || end < one.x - 0.01) wrong.push(["line", run]);
              for (const other of placed) {
                if (other === one || other.row !== one.row) continue;
                if (one.left < other.left + other.width && other.left < end) wrong.push(["overlap", run]);
              }
            }
          }
          return wrong;
        }"""
    )

    assert wrong == []
