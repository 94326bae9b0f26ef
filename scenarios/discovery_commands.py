"""The commands of service_discovery: plain Kubernetes, as a person without a mesh would type it.

`{east}` and `{west}` stand for the clusters in these roles (lab.scenario.commands).
"""

from __future__ import annotations

from lab.base.names import SCENARIO_LABEL
from lab.mesh.names import exported_name

SERVICE = "podinfo"
MIRROR = exported_name(SERVICE, "{east}")
COPY = "podinfo-copied"
_EAST = "kubectl --context={east} --namespace={namespace}"
RESTART = f"""\
{_EAST} rollout restart deployment {SERVICE}
{_EAST} rollout status deployment {SERVICE} --timeout=90s"""
RELABEL = f"{_EAST} label pods --selector=app.kubernetes.io/name={SERVICE} app.kubernetes.io/name-"
SECOND = "greeter"
SECOND_MIRROR = exported_name(SECOND, "{east}")
OLD_PORT, NEW_PORT = 8000, 8080
EXPOSE = (
    f"{_EAST} expose deployment {SERVICE} --name={SECOND} --port={OLD_PORT} "
    f"--target-port=http --labels={SCENARIO_LABEL}=service_discovery"
)
PATCH = f"{_EAST} patch service {SECOND} --type=json --patch="
IS_HTTP = f"""{PATCH}'[{{"op":"add","path":"/spec/ports/0/appProtocol","value":"http"}}]'"""
MOVE_PORT = f"""{PATCH}'[{{"op":"replace","path":"/spec/ports/0/port","value":{NEW_PORT}}}]'"""
EXPORT_SECOND = f"lab export {SECOND} --from {{east}}"
NEW_PORT_STEPS = f"""\
{EXPOSE}
{IS_HTTP}
{EXPORT_SECOND}
{MOVE_PORT}
{EXPORT_SECOND}"""
REMOVE_SECOND = f"lab unexport {SECOND} --from {{east}}\n{_EAST} delete service {SECOND}"
SERVICES = "kubectl --context={west} --namespace={namespace} get services"
EXPORT = f"lab export {SERVICE} --from {{east}}"
UNEXPORT = f"lab unexport {SERVICE} --from {{east}}"
AS_IT_IS = f"""\
{_EAST} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}}]' | \
kubectl --context={{west}} apply --filename=-"""
EDITED = f"""\
{_EAST} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}},\
{{"op":"replace","path":"/metadata/labels","value":{{"{SCENARIO_LABEL}":"service_discovery"}}}},\
{{"op":"remove","path":"/spec/clusterIP"}},{{"op":"remove","path":"/spec/clusterIPs"}}]' | \
kubectl --context={{west}} apply --filename=-"""
REMOVE_COPY = f"kubectl --context={{west}} --namespace={{namespace}} delete service {COPY}"


def scale(replicas: int) -> str:
    """Return the command that scales East's podinfo."""
    return f"{_EAST} scale deployment {SERVICE} --replicas={replicas}"
