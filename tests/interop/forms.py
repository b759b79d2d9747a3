"""A document with all forms of OpenAPI that a generator stumbles over; the vendor's own pages have a part of them."""

import itertools
from typing import Any

from spec.documents import JsonObject

STR: Any = {"type": "string"}
INT: Any = {"type": "integer"}
BINARY: Any = {"type": "string", "format": "binary"}


def ref(name: str) -> Any:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(**properties: Any) -> Any:
    return {"type": "object", "properties": properties}


def array(items: Any) -> Any:
    return {"type": "array", "items": items}


MEDIA_TYPES = [
    "application/pdf",
    "text/csv",
    "application/zip",
    "application/octet-stream",
    "application/xml",
    "text/plain",
    "image/png",
    "application/problem+json",
    "application/vnd.x+json;v=2",
    "*/*",
    "application/x-ndjson",
    "text/html",
    "application/hal+json",
    "video/*",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
]
CONTENTS: dict[str, Any] = {"binary": BINARY, "text": STR, "nothing": None, "object": obj(a=STR)}

# Each becomes a component with an operation that answers with it.
SCHEMAS: dict[str, Any] = {
    "Cat": {**obj(kind={"const": "cat"}, x=INT, home=obj(address=STR)), "required": ["kind"]},
    "Dog": {**obj(kind={"type": "string", "enum": ["dog"]}, y=INT), "required": ["kind"]},
    "OneOf": {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
    "AnyOf": {"anyOf": [ref("Cat"), ref("Dog"), STR]},
    "InlineUnion": {"oneOf": [obj(a=STR), obj(b=STR), array(STR)]},
    "AllOf": {"allOf": [ref("Cat"), {**obj(z=STR), "required": ["z"]}]},
    "AllOfOne": {"allOf": [ref("Cat")], "description": "wrapped"},
    "AllOfConflict": {"allOf": [ref("Cat"), obj(x=STR)]},
    "AllOfNarrower": {"allOf": [ref("Dog"), obj(kind={"type": "string", "enum": ["dog", "wolf"]})]},
    "AllOfScalars": {"allOf": [STR, {"minLength": 1}]},
    "Name": STR,
    "AllOfName": {"allOf": [ref("Name"), {"minLength": 1}]},
    "AllOfUnion": {"allOf": [ref("OneOf"), obj(q=STR)]},
    "AllOfNested": {"allOf": [{"allOf": [obj(a=STR), obj(b=STR)]}, obj(c=STR)]},
    "Requires": {**obj(a=STR), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "SharedByUnion": {**obj(a=STR), "oneOf": [ref("Cat"), ref("Dog")]},
    "Types": obj(
        a={"type": ["string", "null"]},
        b={"type": ["string", "integer", "null"], "enum": ["x", 1, None]},
        c={"type": ["object", "null"], "properties": {"i": obj(j=INT)}},
        e={"type": ["array", "string"], "items": ref("Cat")},
        f={"type": ["string", "number", "integer", "boolean", "array", "object", "null"]},
    ),
    "NullableObject": {"type": ["object", "null"], "properties": {"deep": obj(deeper=obj(a=STR))}},
    "IntEnum": {"type": "integer", "enum": [1, 2, -3]},
    "MixedEnum": {"enum": ["a", 1, True]},
    "FloatEnum": {"type": "number", "enum": [0.5, 1.5]},
    "BoolEnum": {"enum": [True, False]},
    "NullEnum": {"enum": ["a", None]},
    "EmptyEnum": {"type": "string", "enum": []},
    "ClashingEnum": {"type": "string", "enum": ["a b", "a_b", "A-B", "a.b", "", "+", "-", " ", "1", "é", "None"]},
    "AnyAdditional": {"type": "object", "additionalProperties": True},
    "NoAdditional": {**obj(a=STR), "additionalProperties": False},
    "UnionAdditional": {"type": "object", "additionalProperties": {"oneOf": [STR, INT, ref("Cat")]}},
    "SelfAdditional": {"type": "object", "additionalProperties": ref("SelfAdditional")},
    "FreeForm": {"type": "object"},
    "Anything": {},
    "Tree": obj(children=array(ref("Tree")), parent=ref("Tree")),
    "ArrayOfItself": array(ref("ArrayOfItself")),
    "UnionOfItself": {"oneOf": [STR, array(ref("UnionOfItself"))]},
    "UnionWithItself": {"oneOf": [STR, obj(u=ref("UnionWithItself"))]},
    "Mutual": obj(b={"anyOf": [ref("Mutual2"), {"type": "null"}]}),
    "Mutual2": {"allOf": [ref("Mutual"), obj(a=array(ref("Mutual2")))]},
    "Names": obj(
        **dict.fromkeys(
            [
                "class",
                "@type",
                "1st",
                "a-b",
                "a_b",
                "self",
                "from",
                "é",
                "_id",
                "id",
                "ID",
                "to_dict",
                "additional_properties",
                "src_dict",
                "d",
                "cls",
                "+1",
                "-1",
            ],
            STR,
        )
    ),
    "MoreNames": obj(
        **{"": STR, "*": STR, "with space": STR, "UNSET": STR, "cast": STR, "list": array(STR), "Any": STR}
    ),
    "CaseNames": obj(**dict.fromkeys(["UNSET", "Unset", "T", "t", "Any", "any"], STR)),
    "Events": obj(events=array(ref("Event"))),
    "D": obj(a=STR, kind=STR),
    "EventKind": {"type": "string", "enum": ["CLICK", "SALE"]},
    "Event": {
        "oneOf": [ref("Click"), ref("Sale")],
        "discriminator": {"propertyName": "kind", "mapping": {"CLICK": ref("Click")["$ref"], "SALE": "Sale"}},
    },
    "Maybe": {"anyOf": [{"type": "string", "enum": ["x", None]}, INT, {"type": "null"}]},
    "Owner": obj(owner=obj(owner=STR)),
    "Titled": {"title": "Cat", **obj(a={"title": "Cat", **obj(q=STR)}, b={"title": "Cat", **obj(r=STR)})},
    "foo_bar": obj(a=STR),
    "FooBar": obj(b=STR),
    "Foo": obj(bar=obj(x=STR)),
    "FOOBar": obj(c=STR),
    "EnumOwner": obj(status={"type": "string", "enum": ["a"]}),
    "enum_owner_status": {"type": "string", "enum": ["b"]},
    "L" * 120: obj(**{"m" * 200: obj(**{"n" * 100: obj(x=STR)})}),
    "Const": obj(a={"const": None}, b={"const": 1}, c={"const": ["x"]}, e={"const": True}, f={"const": 1.5}),
    "Booleans": obj(a=True, b=False),
    "Tuple": {"type": "array", "prefixItems": [STR, INT], "items": False},
    "NoItems": {"type": "array"},
    "DeepReference": obj(a={"$ref": "#/components/schemas/Tree/properties/children"}),
    "Prose": {"type": "object", "description": 'back\\slash """ {curly} % é \u2028 end\\', "properties": {"a": STR}},
    "Arrays": obj(
        a={"oneOf": [array(ref("Cat")), array(STR), ref("Dog"), {"type": "null"}]}, b=array(array(ref("Cat")))
    ),
    "AnyList": {"anyOf": [STR, array({}), {"type": "object"}]},
    "Early": obj(
        x=obj(a=STR), y={"allOf": [ref("Late"), obj(b=obj(c=STR))]}, z=array({"allOf": [ref("Late"), obj(b=STR)]})
    ),
    "EarlyUnion": {"oneOf": [obj(a=obj(q=ref("Later"))), {"allOf": [ref("Late"), ref("Later")]}]},
    "Late": {"allOf": [ref("Later")], **obj(l=STR)},
    "Later": obj(m=STR),
    "Multipart": {
        **obj(file=BINARY, files=array(BINARY), about=ref("Cat"), n=INT, when={"type": "string", "format": "date"}),
        "required": ["file"],
    },
    **{
        name: obj(a=STR)
        for name in [
            "type",
            "None",
            "List",
            "Any",
            "Response",
            "File",
            "Unset",
            "Client",
            "UUID",
            "Mapping",
            "datetime",
            "str",
            "dict",
            "T",
        ]
    },
}
# Components without operations.
INNER: dict[str, Any] = {
    "Click": obj(kind=ref("EventKind"), url=STR),
    "Sale": {"allOf": [obj(kind=STR), obj(sum=INT)]},
}
DEFAULTS: list[Any] = [
    {"type": "integer", "default": "x"}, {"type": "string", "default": 1}, {"type": "object", "default": {}},
    {"type": "array", "items": STR, "default": []}, {"type": "string", "enum": ["a"], "default": "z"},
    {"type": "boolean", "default": "true"}, {"type": "string", "format": "date", "default": "now"},
    {"oneOf": [STR, INT], "default": True}, {"allOf": [ref("Cat")], "default": {"kind": "cat"}},
    {"type": "string", "format": "uuid", "default": "now"}, {"allOf": [ref("IntEnum")], "default": 9},
    {"const": 5, "default": 6}, {"type": "integer", "default": 7}, {"allOf": [ref("IntEnum")], "default": 1},
]  # fmt: skip
VALUES: dict[str, Any] = {
    "string": STR, "integer": INT, "number": {"type": "number"}, "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"}, "time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"}, "array": array(STR), "models": array(ref("Cat")),
    "object": obj(a=STR), "free": {"type": "object"}, "enum": {"type": "string", "enum": ["x", "y"]},
    "model": ref("Cat"), "union": {"oneOf": [STR, INT]}, "null": {"type": ["string", "null"]}, "any": {},
    "named": ref("IntEnum"), "wrapped": {"allOf": [ref("IntEnum")]}, "binary": BINARY, "two": ref("OneOf"),
}  # fmt: skip
PARAMETER_NAMES = [
    "client",
    "url",
    "$top",
    "x.y",
    "a[]",
    "1x",
    "Accept",
    "é",
    "data",
    "v",
    "file",
    "json",
    "id",
    "filter",
    "format",
    "quote",
]


def document() -> JsonObject:  # noqa: C901 - a list, written as loops
    """Return the document."""
    paths: dict[str, Any] = {}

    def add(name: str, method: str = "get", *, path: str = "", **details: Any) -> None:
        operation = {"operationId": name, "tags": ["T"], "responses": {"200": {"description": "d"}}, **details}
        paths.setdefault(f"/{name}{path}", {})[method] = operation

    def content(media_type: str, schema: Any) -> Any:
        return {"content": {media_type: {} if schema is None else {"schema": schema}}}

    schemas = SCHEMAS | {f"Default{i}": obj(a=schema) for i, schema in enumerate(DEFAULTS)}
    for i, name in enumerate(schemas):
        add(f"schema{i}", responses={"200": {"description": "d", **content("application/json", ref(name))}})
    for (i, media_type), (name, schema) in itertools.product(enumerate(MEDIA_TYPES), CONTENTS.items()):
        add(f"answer{i}{name}", responses={"200": {"description": "d", **content(media_type, schema)}})
        for required in (True, False):
            add(f"send{i}{name}{required}", "post", requestBody={"required": required, **content(media_type, schema)})
    for (one, other), required in itertools.product(itertools.permutations(VALUES, 2), (True, False)):
        both = {"application/json": {"schema": VALUES[one]}, "multipart/form-data": {"schema": VALUES[other]}}
        if {one, other} & {"model", "two", "free", "models"}:
            add(f"both_{one}_{other}_{required}", "post", requestBody={"required": required, "content": both})
    for (name, schema), where in itertools.product(VALUES.items(), ("query", "header", "path", "cookie")):
        for required in {True, where == "path"}:
            parameter = {"name": "X-a", "in": where, "required": required, "schema": schema}
            add(f"{where}_{name}_{required}", path="/{X-a}" if where == "path" else "", parameters=[parameter])
    for (name, schema), code in itertools.product(VALUES.items(), ("default", "4XX", "4xx", "202")):
        add(
            f"code_{name}_{'lower' if code == '4xx' else code}",
            responses={code: {"description": "d", **content("application/json", schema)}},
        )
    for i, name in enumerate(PARAMETER_NAMES):
        add(f"parameter{i}", parameters=[{"name": name, "in": "query", "schema": STR}])
    filters = obj(name=STR, age=INT, o=obj(a=STR))
    add(
        "styles",
        parameters=[
            {"name": "filter", "in": "query", "style": "deepObject", "schema": filters},
            {"name": "free", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
            {"name": "ids", "in": "query", "explode": False, "schema": array(INT)},
            {"name": "q", "in": "query", "content": {"application/json": {"schema": obj(a=STR)}}},
            {"name": "sort", "in": "query", "schema": STR},
            {"name": "sort[]", "in": "query", "schema": array(STR)},
            {"name": "SORT", "in": "header", "schema": STR},
        ],
    )
    add(
        "templates",
        path="/{job.id}/{a b}/{1}:{Y}",
        parameters=[
            {"name": name, "in": "path", "required": True, "schema": STR} for name in ("job.id", "a b", "1", "Y")
        ],
    )
    fields = obj(
        text={"type": ["string", "null"]}, things=array(ref("Cat")), flag={"type": "boolean"}, maybe=ref("Maybe")
    )
    for name, media_type in (("form", "application/x-www-form-urlencoded"), ("multipart", "multipart/form-data")):
        add(f"fields_{name}", "post", requestBody={"required": True, **content(media_type, fields)})
    add("things", parameters=[{"name": name, "in": "query", "schema": array(ref("Cat"))} for name in ("a", "params")])
    defaults = obj(n={"type": "integer", "default": 0})
    add("change", "patch", requestBody={"required": True, **content("application/json", defaults)})
    for method in ("put", "patch", "delete", "head", "options", "trace"):
        add(f"by_{method}", method, deprecated=True, tags=["A & B/ü", "class"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Forms", "version": "1"},
        "security": [{"Basic": []}],
        "paths": paths,
        "components": {"schemas": schemas | INNER, "securitySchemes": {"Basic": {"type": "http", "scheme": "basic"}}},
    }
