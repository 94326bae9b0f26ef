"""Validate objects as the API server does with `fieldValidation=Strict`: schemas of Kubernetes and of the CRDs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators

from lab.kube.objects import Obj, ref

Kind = tuple[str, str, str]
"""Group, version and kind."""
_ANY = {"x-kubernetes-preserve-unknown-fields": True}
_LOOSE = frozenset({"additionalProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"})
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_FREE = frozenset(
    {
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
    }
)
"""Types whose content is not checked here: CRDs are validated as the schemas of others."""


class Schemas:
    """The schemas of one Kubernetes version, and of CRDs."""

    def __init__(self, folder: Path) -> None:
        self._types: dict[str, Any] = {}
        self._kinds: dict[Kind, Any] = {}
        self._validators: dict[Kind, Any] = {}
        for file in sorted(folder.glob("*_openapi.json")):
            for name, schema in json.loads(file.read_text())["components"].get("schemas", {}).items():
                self._types[name] = schema
                for kind in schema.get("x-kubernetes-group-version-kind", ()):
                    self._kinds[kind["group"], kind["version"], kind["kind"]] = {"$ref": f"#/$defs/{name}"}
        self._types = {name: _strict(_ANY if name in _FREE else schema) for name, schema in self._types.items()}
        self._types[_QUANTITY] = {"type": ["string", "number"]}

    def add(self, crds: Iterable[Obj]) -> None:
        """Add the schemas of CRDs."""
        for crd in crds:
            spec = crd["spec"]
            for version in spec["versions"]:
                schema = copy.deepcopy(version["schema"]["openAPIV3Schema"])
                for name in ("apiVersion", "kind"):
                    schema.setdefault("properties", {})[name] = {"type": "string"}
                schema["properties"]["metadata"] = {"type": "object", **_ANY}
                self._kinds[spec["group"], version["name"], spec["names"]["kind"]] = _strict(schema)

    def problems(self, obj: Obj) -> Iterator[str]:
        """Yield what is wrong with an object; a kind without a schema is a problem."""
        group, _, version = obj["apiVersion"].rpartition("/")
        kind = (group, version, obj["kind"])
        if kind not in self._kinds:
            yield f"{ref(obj)}: no schema of {obj['apiVersion']} {obj['kind']}"
            return
        if kind not in self._validators:
            whole = {"$defs": self._types, **self._kinds[kind]}
            self._validators[kind] = jsonschema.validators.Draft202012Validator(whole)
        for error in self._validators[kind].iter_errors(_without_nulls(obj)):
            best = jsonschema.exceptions.best_match([error]) or error
            yield f"{ref(obj)}: {'.'.join(map(str, best.absolute_path))}: {best.message[:300]}"


def _without_nulls(value: Any) -> Any:
    """Return a value without null fields: the API server reads them as absent; Linkerd's CLI writes one."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _strict(schema: Any) -> Any:
    """Return a schema of OpenAPI as one of JSON Schema that refuses unknown fields."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    strict = {key: _KEYWORDS[key](value) for key, value in schema.items() if key in _KEYWORDS}
    if schema.get("nullable") and "type" in strict:
        strict["type"] = [strict["type"], "null"]
    if "enum" in strict and schema.get("nullable"):
        strict["enum"] = [*strict["enum"], None]
    if "properties" in strict and _LOOSE.isdisjoint(schema):
        strict["additionalProperties"] = False
    return strict


def _same(value: Any) -> Any:
    return value


def _parts(value: Any) -> Any:
    return [_strict(one) if "$ref" in one else _loose(_strict(one)) for one in value]


_KEYWORDS: Mapping[str, Callable[[Any], Any]] = {
    "$ref": lambda value: value.replace("#/components/schemas/", "#/$defs/"),
    "properties": lambda value: {name: _strict(inner) for name, inner in value.items()},
    **dict.fromkeys(("items", "additionalProperties", "not"), _strict),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _parts),
    **dict.fromkeys(("type", "required", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern"), _same),
    **dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties"), _same),
}
"""What is checked; formats, defaults and expressions (CEL) are not."""


def _loose(schema: Any) -> Any:
    """Return a part of a combination: it describes some of the fields only."""
    if isinstance(schema, dict):
        return {
            key: {name: _loose(inner) for name, inner in value.items()} if key == "properties" else _loose(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False)
        }
    return [_loose(one) for one in schema] if isinstance(schema, list) else schema
