"""What service_discovery types: Kubernetes by hand, as somebody without a mesh would do it."""

from __future__ import annotations

from lab.base.names import NAMESPACE, SCENARIO_LABEL

SERVICE = "podinfo"
COPY = "podinfo-copied"
RESTART = f"""\
kubectl --context=east --namespace={NAMESPACE} rollout restart deployment {SERVICE}
kubectl --context=east --namespace={NAMESPACE} rollout status deployment {SERVICE} --timeout=90s"""
SCALE = f"kubectl --context=east --namespace={NAMESPACE} scale deployment {SERVICE} --replicas={{replicas}}"
RELABEL = (
    f"kubectl --context=east --namespace={NAMESPACE} label pods --selector=app.kubernetes.io/name={SERVICE} "
    "app.kubernetes.io/name-"
)
SECOND = "greeter"
OLD_PORT, NEW_PORT = 8000, 8080
EXPOSE = (
    f"kubectl --context=east --namespace={NAMESPACE} expose deployment {SERVICE} --name={SECOND} --port={OLD_PORT} "
    f"--target-port=http --labels={SCENARIO_LABEL}=service_discovery"
)
PATCH = f"kubectl --context=east --namespace={NAMESPACE} patch service {SECOND} --type=json --patch="
IS_HTTP = f"""{PATCH}'[{{"op":"add","path":"/spec/ports/0/appProtocol","value":"http"}}]'"""
MOVE_PORT = f"""{PATCH}'[{{"op":"replace","path":"/spec/ports/0/port","value":{NEW_PORT}}}]'"""
SERVICES = f"kubectl --context=west --namespace={NAMESPACE} get services"
AS_IT_IS = f"""\
kubectl --context=east --namespace={NAMESPACE} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}}]' | \
kubectl --context=west apply --filename=-"""
EDITED = f"""\
kubectl --context=east --namespace={NAMESPACE} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}},\
{{"op":"replace","path":"/metadata/labels","value":{{"eastwest.lab/scenario":"service_discovery"}}}},\
{{"op":"remove","path":"/spec/clusterIP"}},{{"op":"remove","path":"/spec/clusterIPs"}}]' | \
kubectl --context=west apply --filename=-"""
