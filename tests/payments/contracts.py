"""Whether a request is one that a provider's OpenAPI description allows: path, parameters, and every key of the body.

The descriptions in `contracts/` hold what we ask and nothing else: Twilio's as published, the others written by hand after
their source. With a provider's whole published description, the same requests are checked against that:

    python -m tests.payments.contracts stripe=<file.json> twilio=<file.json> carrier-billing=<file.json> ...
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

FOLDER = Path(__file__).parent / "contracts"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))

_METHODS = {"get", "post", "put", "patch", "delete"}
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """A request as it was sent. Header names in lower case; `path` with its query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def described(name: str) -> Any:
    """Our description of one provider's API."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


class Contract:
    """One OpenAPI 3 description (as JSON): the part of it that says what may be asked."""

    def __init__(self, document: Any) -> None:
        self._document = document
        base = urlsplit(re.sub(r"^\{\w+\}", "", document["servers"][0]["url"])).path.rstrip("/")
        # A path without holes is more exact than one with: /payments/prepare is no payment's name.
        self._paths = sorted(((base + path, entry) for path, entry in document["paths"].items()), key=_holes)

    def faults(self, request: Request) -> list[str]:
        """What is wrong with a request, each in a few words; empty when nothing is."""
        split = urlsplit(request.path)
        for path, entry in self._paths:
            names = re.findall(r"\{(\w+)\}", path)
            pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(path))
            if found := re.fullmatch(pattern, split.path):
                operation = entry.get(request.method.lower())
                if operation is None:
                    return [f"{path} takes no {request.method}"]
                values = dict(zip(names, map(unquote, found.groups()), strict=True))
                shared = entry.get("parameters", [])
                return list(self._operation(request, operation, shared, values, split.query))
        return [f"there is no path {split.path}"]

    def _operation(
        self, request: Request, operation: Any, shared: list[Any], values: Mapping[str, str], query: str
    ) -> Iterator[str]:
        declared = [self._resolved(one) for one in [*shared, *operation.get("parameters", [])]]
        yield from self._authorised(request, operation)
        sent = {"path": values, "query": unfolded(parse_qsl(query, keep_blank_values=True))}
        for where, given in sent.items():
            known = {one["name"]: one for one in declared if one["in"] == where}
            yield from (f"unknown {where} parameter {name}" for name in given if name not in known)
            for name, one in known.items():
                if name in given:
                    yield from self._value(one["schema"], given[name], name, written=True)
                elif one.get("required"):
                    yield f"{where} parameter {name} is missing"
        yield from self._body(request, operation.get("requestBody"))

    def _authorised(self, request: Request, operation: Any) -> Iterator[str]:
        schemes = self._document["components"].get("securitySchemes", {})
        wanted = [name for one in operation.get("security", self._document.get("security", [])) for name in one]
        kinds = {schemes[name].get("scheme", "bearer").lower() for name in wanted}
        if kinds and request.headers.get("authorization", "").partition(" ")[0].lower() not in kinds:
            yield f"not authorised by any of {sorted(kinds)}"

    def _body(self, request: Request, declared: Any) -> Iterator[str]:
        if not request.body:
            if declared and declared.get("required"):
                yield "the body is missing"
            return
        kind = request.headers.get("content-type", "").partition(";")[0]
        content = (declared or {}).get("content", {})
        if kind not in content or kind not in {_FORM, _JSON}:
            yield f"a body of type {kind or 'nothing'} is not taken"
        elif kind == _FORM:
            given = unfolded(parse_qsl(request.body.decode(), keep_blank_values=True))
            yield from self._value(content[kind]["schema"], given, "form", written=True)
        else:
            given = json.loads(request.body, parse_float=Decimal)
            yield from self._value(content[kind]["schema"], given, "body", written=False)

    def _value(self, schema: Any, value: Any, name: str, *, written: bool) -> Iterator[str]:
        """`written`: a form or a query, where everything is text."""
        schema = self._merged(schema, value)
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            tried = [list(self._value(choice, value, name, written=written)) for choice in choices]
            if all(tried):
                yield from min(tried, key=len)
            return
        kind = schema.get("type", "object" if schema["properties"] else "")
        if kind == "array" and written and isinstance(value, str):
            value = [value]
        if not _is(kind, value, written=written):
            yield f"{name} is no {kind}"
        elif kind == "object":
            yield from self._object(schema, value, name, written=written)
        elif kind == "array":
            for place, item in enumerate(value):
                yield from self._value(schema.get("items", {}), item, f"{name}[{place}]", written=written)
        else:
            yield from _plain(schema, int(value) if kind == "integer" and written else value, name)

    def _object(self, schema: Any, value: Any, name: str, *, written: bool) -> Iterator[str]:
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        yield from (f"{name}.{key} is missing" for key in schema.get("required", []) if key not in value)
        for key, item in value.items():
            if key in known:
                yield from self._value(known[key], item, f"{name}.{key}", written=written)
            elif isinstance(others, dict):
                yield from self._value(others, item, f"{name}.{key}", written=written)
            elif (
                known or others is False
            ):  # a key that nobody described is a mistake, though a strict reading allows it
                yield f"{name}.{key} is unknown"

    def _merged(self, schema: Any, value: Any, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
        """A schema with its references, its parts and what its discriminator points at put together."""
        target = schema.get("$ref", "")
        schema = self._resolved(schema)
        merged: dict[str, Any] = {**schema, "properties": dict(schema.get("properties", {}))}
        merged["required"] = list(schema.get("required", []))
        parts = list(schema.get("allOf", []))
        chosen = schema.get("discriminator", {})
        mapped = (
            chosen.get("mapping", {}).get(str(value.get(chosen.get("propertyName"))))
            if isinstance(value, dict)
            else None
        )
        if mapped and mapped not in seen:
            parts.append({"$ref": mapped})
        for part in parts:
            below = self._merged(part, value, seen | {target, mapped or ""})
            merged["properties"].update(below.pop("properties"))
            merged["required"] += below.pop("required")
            merged = {**below, **merged}
        return merged

    def _resolved(self, entry: Any) -> Any:
        while "$ref" in entry:
            found = self._document
            for step in entry["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/")]
            entry = found
        return entry


def unfolded(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0][c]=x` as {"a": {"b": [{"c": "x"}]}}; a name that comes twice is a list."""
    whole: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = re.findall(r"[^\[\]]+", name)
        place: dict[str, Any] = whole
        for step, following in zip([first, *rest], rest, strict=False):
            place = place.setdefault(step, {})
            first = following
        place[first] = [*_listed(place[first]), value] if first in place else value
    return {name: _with_lists(value) for name, value in whole.items()}


def main(arguments: list[str]) -> None:
    """Check what we ask against published descriptions; ends with what is wrong, or in silence."""
    from tests.payments.asked import requests_to

    files = dict(argument.split("=", 1) for argument in arguments)
    wrong = [
        f"{name}: {request.method} {request.path}: {fault}"
        for name, path in files.items()
        for request in requests_to(name)
        for fault in Contract(json.loads(Path(path).read_text("utf-8"))).faults(request)
    ]
    if wrong or not files:
        raise SystemExit("\n".join(wrong) or __doc__)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(item) for name, item in value.items()}
    return list(inner.values()) if all(name.isdecimal() for name in inner) else inner


def _holes(entry: tuple[str, Any]) -> int:
    return entry[0].count("{")


def _is(kind: str, value: Any, *, written: bool) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "integer" if written:
            return isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value) is not None
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        case "boolean":
            return value in {"true", "false"} if written else isinstance(value, bool)
        case _:
            return True


def _plain(schema: Any, value: Any, name: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{name} is none of {schema['enum']}"
    if isinstance(value, str):
        yield from _words(schema, value, name)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        if value < Decimal(str(schema.get("minimum", value))):
            yield f"{name} is less than {schema['minimum']}"
        if value > Decimal(str(schema.get("maximum", value))):
            yield f"{name} is more than {schema['maximum']}"
        if "multipleOf" in schema and value % Decimal(str(schema["multipleOf"])):
            yield f"{name} is no multiple of {schema['multipleOf']}"


def _words(schema: Any, value: str, name: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{name} has a wrong length"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{name} is not of the form {schema['pattern']}"
    if schema.get("format") == "uri" and not re.match(r"[a-z][a-z0-9+.-]*:", value):
        yield f"{name} is no address"
    if schema.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", value):
        yield f"{name} is no date with a time and a zone"


if __name__ == "__main__":
    main(sys.argv[1:])
