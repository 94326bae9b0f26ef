"""Act 4, development: my-service on the laptop, as a pod and as a process; everything else stays shared."""

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
    claim="my-service is developed on the laptop, in seconds, with the shared cluster's users and without a copy of it",
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
            title="A cluster that everybody shares",
            narration="East has what nobody wants on a laptop: backend, users, large-stuff. Only users is exported.",
            command="lab dev shared",
            act=acts.share,
            undo=acts.unshare,
            undo_command="lab dev stop",
            checks=(
                Check(
                    name="shared_works",
                    claim="In East backend puts users and large-stuff together",
                    expected="3 users and more than 32 MB",
                    look=looks.shared_works,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="pod",
            title="my-service as a pod, from a folder",
            narration="The folder goes into a pod on West through Kubernetes' exec. No image is built: the pod runs "
            "the Python that the node has already.",
            command=f"lab dev pod apps/{SERVICE}",
            act=acts.start_pod,
            undo=acts.stop_pod,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="pod_reaches_users",
                    claim="West's frontend gets answers of my-service in West, with users' data from East",
                    expected="10 of 10 from West, each with East's users",
                    look=looks.pod_answers,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reload",
            title="Save, and look",
            narration="Change a line and save. The folder is watched; what was saved runs in the pod a moment later.",
            act=acts.save,
            undo=acts.watched,
            checks=(
                Check(
                    name="reload_is_quick",
                    claim="A saved change answers West's frontend within seconds",
                    expected=f"three saves, each answered with within {RELOADED_WITHIN_S:.0f} s",
                    look=looks.reload_is_quick,
                ),
                Check(
                    name="nothing_was_built",
                    claim="No image was built and no pod was made for it",
                    expected="the pod's UID, images and restarts are those of before",
                    look=looks.nothing_was_built,
                ),
            ),
            sabotage=Sabotage(
                title="the folder is not watched",
                act=acts.unwatched,
                undo=acts.watched,
                fails="reload_is_quick",
                before_act=True,
            ),
        ),
        ScenarioStep(
            name="header",
            title="my-service as a process, for me alone",
            narration="Now a plain process on this machine. Requests with a header of my choice go to it, all others "
            "still reach the pod: colleagues notice nothing.",
            command=f"lab dev process --header {'='.join(HEADER)} -- python3 apps/{SERVICE}/main.py",
            act=acts.start_process(header=HEADER),
            undo=acts.stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="only_chosen_header",
                    claim="Requests with the chosen header, and only those, reach the process",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop with it; by West without it, and with another value",
                    look=looks.only_chosen,
                    within_s=_SETTLES_S,
                ),
                Check(
                    name="process_reaches_users",
                    claim="The process reaches users in East by its name in the cluster",
                    expected="10 of 10 by this process, each with East's users",
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
                title="the header's route is removed",
                act=acts.remove_intercept,
                undo=acts.remove_intercept,
                fails="only_chosen_header",
            ),
        ),
        ScenarioStep(
            name="everything",
            title="my-service as a process, for everybody",
            narration="Without a header everything goes to the process, many requests at once.",
            command=f"lab dev process -- python3 apps/{SERVICE}/main.py",
            act=acts.start_process(header=None),
            undo=acts.stop_process,
            undo_command="Ctrl-C",
            checks=(
                Check(
                    name="everything_comes",
                    claim="The process answers all of West's requests, 25 at once",
                    expected="100 of 100 by the laptop",
                    look=looks.everything_comes,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reconnect",
            title="The connection breaks",
            narration="The laptop changes its network: the tunnel's connection is cut, and comes back by itself.",
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
            narration="The process ends, and the pod gets its requests back.",
            act=acts.stop_process,
            checks=(
                Check(
                    name="given_back",
                    claim="The pod answers again, and nothing of the process is left in West",
                    expected=f"{SAMPLE} of {SAMPLE} by West, no object, no diversion",
                    look=looks.given_back,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="large_stuff",
            title="And large-stuff?",
            narration="It has stayed where it is: no pod, no image and no data of it came to the laptop.",
            checks=(
                Check(
                    name="no_objects",
                    claim="West has no object of large-stuff, and cannot even ask for it",
                    expected="some in East, none in West, no answer",
                    look=looks.no_objects,
                ),
                Check(
                    name="no_images",
                    claim="West's node has the images of before, and no other",
                    expected="no new image",
                    look=looks.no_images,
                ),
                Check(
                    name="no_data",
                    claim="No file of West's pods holds large-stuff's data",
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
    saw="A change is live in a second or so, in a pod or in a process with a debugger, with real users behind it and "
    "nobody else disturbed; the large cluster's stuff stayed in the large cluster.",
    try_next=(
        "Open http://localhost:8080/?upstream=my-service and change the colour in apps/my-service/main.py.",
        "Start it under your debugger: `lab dev process --port 8000` prints the variables that it needs.",
        "Break it: save a syntax error while `lab dev pod` watches.",
    ),
)
