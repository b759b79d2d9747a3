"""Random documents of one API that contradict each other, and what their operations mean without names."""

from typing import Any

from hypothesis import strategies as st
from spec.documents import render
from spec.fragments import Fragment
from spec.texts.sources import Source

SCHEMAS = ["A", "B", "C", "D"]
SCHEMA_NAMES = st.sampled_from(SCHEMAS)
REFERENCES = SCHEMA_NAMES.map(lambda name: {"$ref": f"#/components/schemas/{name}"})
PROSE = st.sampled_from([{}, {}, {"description": "One."}, {"description": "Other."}])


def with_prose(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(PROSE, schemas).map(lambda drawn: {**drawn[0], **drawn[1]})


PLAIN = with_prose(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer"},
            {"type": "string", "enum": ["a", "b"]},
            {"type": "object", "properties": {"description": {"type": "string"}}},
            {"type": "object", "example": {"description": "data", "$ref": "data"}},
        ]
    )
)
PROPERTIES = st.dictionaries(st.sampled_from(["x", "description"]), REFERENCES | PLAIN, max_size=2)
OBJECTS = with_prose(PROPERTIES.map(lambda properties: {"type": "object", "properties": properties}))
ARRAYS = REFERENCES.map(lambda items: {"type": "array", "items": items})
UNIONS = st.tuples(
    st.lists(SCHEMA_NAMES, min_size=1, max_size=2, unique=True), st.sampled_from(["none", "implicit", "plain", "path"])
).map(lambda drawn: _union(*drawn))
PARTS = st.sampled_from([PLAIN, OBJECTS, OBJECTS, ARRAYS, UNIONS]).flatmap(lambda strategy: strategy)
SECURITY = st.sampled_from([{"type": "http", "scheme": "basic"}, {"type": "http", "scheme": "bearer"}])


@st.composite
def fragments(draw: st.DrawFn) -> list[Fragment]:
    """Draw documents that define all that they refer to."""
    count = draw(st.integers(1, 4))
    groups = draw(st.lists(st.sampled_from(["jobs", "reports", "brand-jobs"]), min_size=count, max_size=count))
    return [_fragment(f"{group}/{index}.json", draw(_documents(index))) for index, group in enumerate(groups)]


def meaning(document: Any, value: Any, depth: int = 4) -> Any:
    """Return a part of a document without references, descriptions and the order of required things.

    What is behind four references is left out, because schemas may contain themselves.
    """
    if isinstance(value, list):
        return [meaning(document, entry, depth) for entry in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/"):
        _, _, section, name = value["$ref"].split("/")
        assert name in document["components"][section], f"{value['$ref']} leads to nothing"
        return meaning(document, document["components"][section][name], depth - 1) if depth else "…"
    if value.get("type") == "object" or "openapi" in value:
        value = {key: inner for key, inner in value.items() if key != "description"}
    result = {
        key: meaning(document, inner, depth)
        for key, inner in value.items()
        if key not in {"security", "discriminator", "operationId"} and not _is_prose(key, inner)
    }
    if "discriminator" in value:
        implicit = {member["$ref"].rpartition("/")[2]: member["$ref"] for member in value["oneOf"]}
        mapping = value["discriminator"].get("mapping", {})
        paths = {key: to if "/" in to else f"#/components/schemas/{to}" for key, to in mapping.items()}
        explicit = {key: to for key, to in implicit.items() if to not in paths.values()} | paths
        result["leads"] = {key: meaning(document, {"$ref": to}, depth) for key, to in explicit.items()}
    if "security" in value:
        schemes = document["components"]["securitySchemes"]
        result["security"] = [[schemes[name] for name in requirement] for requirement in value["security"]]
    return result


def operations(document: Any) -> dict[tuple[str, str], Any]:
    """Return the meaning of each operation of a document."""
    found = {}
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item:
                security = document.get("security")
                whole = {**({"security": security} if security is not None else {}), **item[method]}
                whole["parameters"] = sorted(
                    [meaning(document, each) for each in [*item.get("parameters", []), *item[method]["parameters"]]],
                    key=str,
                )
                found[path, method] = meaning(document, whole)
    return found


def _is_prose(key: str, inner: Any) -> bool:
    return key == "description" and isinstance(inner, str)


def _union(names: list[str], discriminator: str) -> Any:
    path = "#/components/schemas/"
    union = {"oneOf": [{"$ref": path + name} for name in names]}
    match discriminator:
        case "none":
            return union
        case "implicit":
            return {**union, "discriminator": {"propertyName": "kind"}}
        case "plain":
            mapping = {f"the {name}": name for name in names}
        case _:
            mapping = {f"the {name}": path + name for name in names}
    return {**union, "discriminator": {"propertyName": "kind", "mapping": mapping}}


@st.composite
def _documents(draw: st.DrawFn, index: int) -> Any:
    parameter = {"name": draw(st.sampled_from(["p", "q"])), "in": "query", "schema": draw(REFERENCES | PLAIN)}
    response = {
        "description": draw(st.sampled_from(["Fine.", "Good."])),
        "headers": {"H": {"schema": draw(REFERENCES)}},
    }
    operation: Any = {
        "operationId": draw(st.sampled_from(["listJobs", "getJob"])),
        "parameters": [],
        "responses": {"200": {"$ref": "#/components/responses/R"}},
    }
    if draw(st.booleans()):
        operation["requestBody"] = {"content": {"application/json": {"schema": draw(REFERENCES | PLAIN)}}}
    item: Any = {"get": operation}
    holder = draw(st.sampled_from([item, operation]))
    holder["parameters"] = [{"$ref": "#/components/parameters/P"}]
    document: Any = {
        "openapi": draw(st.sampled_from(["3.0.3", "3.1.0"])),
        "info": {"title": "T", "version": draw(st.sampled_from(["1", "2"]))},
        "paths": {draw(st.sampled_from(["/shared", f"/{index}"])): item},
        "components": {
            "schemas": {name: draw(PARTS) for name in SCHEMAS},
            "parameters": {"P": parameter},
            "responses": {"R": response},
            "securitySchemes": {"Auth": draw(SECURITY)},
        },
    }
    draw(st.sampled_from([{}, document, operation]))["security"] = [{"Auth": []}]
    return document


def _fragment(name: str, document: Any) -> Fragment:
    return Fragment.of(name, Source(f"openapi/{name}", render(document).decode()))
