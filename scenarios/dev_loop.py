"""Act 4, development: my-service on the laptop, as a pod and as a process; all other services stay shared."""

from __future__ import annotations

from lab.mesh.capabilities import Capability
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from . import dev_acts as acts
from . import dev_looks as looks
from .dev_acts import HEADER, SAMPLE, SERVICE
from .dev_looks import RELOADED_WITHIN_S

_SETTLES_S = 20.0

SCENARIO = Scenario(
    name="dev_loop",
    title="Development",
    act="Profit",
    claim="A developer changes my-service on the laptop in seconds, with users of the shared cluster and no copy of it",
    requires=frozenset({Capability.EXPORT, Capability.INTERCEPT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="local", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role="shared", services=("backend", "users", "large-stuff")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}", label="pod, or process"),
            Arrow(source=f"west/{SERVICE}", target="east/users"),
            Arrow(source="east/backend", target="east/users"),
            Arrow(source="east/backend", target="east/large-stuff"),
            Arrow(source=f"west/{SERVICE}", target="east/large-stuff", label="never copied", allowed=False),
        ),
    ),
    steps=(
        ScenarioStep(
            name="shared",
            title="A shared cluster",
            narration="East runs the services that are too large for a laptop: backend, users, large-stuff. It exports "
            "only users.",
            command="lab dev shared",
            act=acts.share,
            undo=acts.unshare,
            undo_command="lab dev stop",
            checks=(
                Check(
                    name="shared_works",
                    claim="In East, backend reaches users and large-stuff",
                    expected="3 users and more than 32 MB",
                    look=looks.shared_works,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="pod",
            title="my-service as a pod, from a folder",
            narration="The lab copies the folder into a pod in West with Kubernetes' exec. It builds no image: the pod "
            "uses an image with Python that the node already has.",
            command=f"lab dev pod apps/{SERVICE}",
            act=acts.start_pod,
            undo=acts.stop_pod,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="pod_reaches_users",
                    claim="my-service in West answers West's frontend, with data of East's users",
                    expected="10 of 10 from West, each with data of East's users",
                    look=looks.pod_answers,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reload",
            title="Save and reload",
            narration="Change a line and save. The lab watches the folder, and the pod runs the new code in seconds.",
            act=acts.save,
            undo=acts.watched,
            checks=(
                Check(
                    name="reload_is_quick",
                    claim="West's frontend gets an answer of a saved change within seconds",
                    expected=f"three saves, each in an answer within {RELOADED_WITHIN_S:.0f} s",
                    look=looks.reload_is_quick,
                ),
                Check(
                    name="nothing_was_built",
                    claim="The change needed no new image and no new pod",
                    expected="the pod has the same UID, images and restarts as before",
                    look=looks.nothing_was_built,
                ),
            ),
            sabotage=Sabotage(
                title="nothing watches the folder",
                act=acts.unwatched,
                undo=acts.watched,
                fails="reload_is_quick",
                before_act=True,
            ),
        ),
        ScenarioStep(
            name="header",
            title="my-service as a process, for one header",
            narration="Now a plain process on this machine. Requests with a chosen header go to it. All others still "
            "reach the pod, so colleagues notice nothing.",
            command=f"lab dev process --header {'='.join(HEADER)} -- python3 apps/{SERVICE}/main.py",
            act=acts.start_process(header=HEADER),
            undo=acts.stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="only_chosen_header",
                    claim="Requests with the chosen header, and only those, reach the process",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop with it; by West without it and with another value",
                    look=looks.only_chosen,
                    within_s=_SETTLES_S,
                ),
                Check(
                    name="process_reaches_users",
                    claim="The process reaches East's users by its name in the cluster",
                    expected="10 of 10 by this process, each with data of East's users",
                    look=looks.process_reaches_users,
                ),
                Check(
                    name="only_loopback",
                    claim="Tunnel and process listen on this machine's loopback only",
                    expected="every listening socket on 127.0.0.1",
                    look=looks.only_loopback,
                ),
            ),
            sabotage=Sabotage(
                title="the intercept is removed",
                act=acts.remove_intercept,
                undo=acts.remove_intercept,
                fails="only_chosen_header",
            ),
        ),
        ScenarioStep(
            name="everything",
            title="my-service as a process, for all requests",
            narration="Without a header, all requests go to the process, many at the same time.",
            command=f"lab dev process -- python3 apps/{SERVICE}/main.py",
            act=acts.start_process(header=None),
            undo=acts.stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="everything_comes",
                    claim="The process answers all of West's requests, 25 at the same time",
                    expected="100 of 100 by the laptop",
                    look=looks.everything_comes,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reconnect",
            title="The connection breaks",
            narration="The laptop changes its network: the tunnel's connection breaks, and the lab reconnects it.",
            act=acts.cut_and_wait,
            checks=(
                Check(
                    name="comes_back",
                    claim="The process answers again after the tunnel was cut",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop",
                    look=looks.comes_back,
                ),
            ),
        ),
        ScenarioStep(
            name="give_back",
            title="Ctrl-C",
            narration="The process ends, and the pod gets the requests again.",
            act=acts.stop_process,
            checks=(
                Check(
                    name="given_back",
                    claim="The pod answers again, and no object of the process is left in West",
                    expected=f"{SAMPLE} of {SAMPLE} by West, no object, no intercept",
                    look=looks.given_back,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="large_stuff",
            title="large-stuff stays in East",
            narration="The laptop got no pod, no image and no data of large-stuff.",
            checks=(
                Check(
                    name="no_objects",
                    claim="West has no object of large-stuff, and no name for it",
                    expected="some in East, none in West, no such name",
                    look=looks.no_objects,
                ),
                Check(
                    name="no_images",
                    claim="West's node has the same images as before",
                    expected="no new image",
                    look=looks.no_images,
                ),
                Check(
                    name="no_data",
                    claim="No file of West's pods contains large-stuff's data",
                    expected="found in East, not in West",
                    look=looks.no_data,
                ),
            ),
            sabotage=Sabotage(
                title="the shared services are copied to West",
                act=acts.copy_all,
                undo=acts.remove_all,
                fails="no_objects",
            ),
        ),
    ),
    saw="A saved change is live in about a second, in a pod or in a process with a debugger. It uses the real users "
    "service and disturbs no other developer, and large-stuff stays in the large cluster.",
    try_next=(
        "Open {west_url}/?upstream=my-service and change the colour in apps/my-service/main.py.",
        "Start it in your debugger: `lab dev process --port 8000` prints the variables that it needs.",
        "Save a syntax error while `lab dev pod` watches.",
    ),
)
