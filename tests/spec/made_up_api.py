"""Write the pages of a made-up API, in the vendor's form, with all that a generator stumbles over.

    python -m tests.spec.made_up_api FOLDER [--seed 1] [--operations 250]

The same seed writes the same bytes. Nothing in it is the vendor's: the names are those of a library that lends things.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

THINGS = [
    "Atlas",
    "Banjo",
    "Canoe",
    "Drill",
    "Easel",
    "Flute",
    "Globe",
    "Hammer",
    "Icebox",
    "Jigsaw",
    "Kayak",
    "Ladder",
    "Mallet",
    "Needle",
    "Oboe",
    "Piano",
    "Quilt",
    "Rocket",
    "Saddle",
    "Tripod",
    "Umbrella",
    "Violin",
    "Wagon",
    "Xylophone",
    "Yurt",
    "Zither",
    "Anvil",
    "Bicycle",
    "Camera",
    "Dumbbell",
]
PLACES = ["Shelf", "Branch", "Locker", "Van", "Depot", "Counter"]
STATES = ["AVAILABLE", "LENT", "IN REPAIR", "in-repair", "lost", "1st-loan", ""]
STR: dict[str, Any] = {"type": "string"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


@dataclass
class Page:
    """One page: a title and the operations of one thing at one or several places."""

    title: str
    operations: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    schemas: dict[str, Any] = field(default_factory=dict)


@dataclass
class MadeUpApi:
    """The pages that were written, and how many operations they have."""

    pages: list[Path]
    operations: int


def write_pages(folder: Path, *, seed: int = 1, operations: int = 250) -> MadeUpApi:
    """Write the pages of an API.

    Args:
        folder: Where to write; created if missing.
        seed: Chooses everything that varies.
        operations: How many operations it has.
    """
    choose = random.Random(seed)  # noqa: S311 - not a secret
    folder.mkdir(parents=True, exist_ok=True)
    written, count = [], 0
    for number, thing in enumerate(THINGS):
        page = Page(thing)
        while count < operations and len(page.operations) < 10:
            place = PLACES[len(page.operations) % len(PLACES)]
            page.operations.append(_operation(thing, place, count, choose))
            count += 1
        if not page.operations:
            break
        page.schemas = _schemas(thing, number, choose)
        if number % 10 == 9:
            written.append(_write_yaml(folder, page))
        else:
            written.append(_write_markdown(folder, page, choose))
            if number % 3 == 0:
                written.append(_write_models(folder, page))
    return MadeUpApi(written, count)


def _operation(thing: str, place: str, number: int, choose: random.Random) -> tuple[str, str, dict[str, Any]]:
    """Return the path, the method and the description of the operation of that number."""
    form = _FORMS[number % len(_FORMS)]
    method, suffix, verb, details = form(thing, choose)
    operation = {
        "operationId": f"{verb}{thing}{place}{number}",
        "summary": f"{verb.capitalize()} a {thing.lower()}",
        "description": f"What happens to a `{thing.lower()}` at the {place.lower()}.\n\n| a |\n|---|\n| 1 |",
        "tags": [f"{thing} & {place}"],
        "parameters": [{"name": "AccountSID", "in": "path", "required": True, "schema": STR}],
        "responses": {"200": {"description": "Done."}, "401": {"description": "Who are you?"}},
    }
    operation["parameters"] += details.pop("parameters", [])
    operation["responses"] |= details.pop("responses", {})
    operation |= details
    return f"/Libraries/{{AccountSID}}/{thing}s/{place}{number}{suffix}", method, operation


def _list(thing: str, choose: random.Random) -> Any:
    parameters = [
        {"name": "state", "in": "query", "schema": array(ref(f"{thing}State"))},
        {"name": "page[size]", "in": "query", "schema": {"type": "integer", "default": choose.choice([10, "ten"])}},
        {"name": "ids", "in": "query", "explode": False, "schema": array({"type": "integer"})},
        {
            "name": "filter",
            "in": "query",
            "style": "deepObject",
            "schema": {"type": "object", "properties": {"q": STR}},
        },
    ]
    return "get", "", "list", {"parameters": parameters, **_answer("200", array(ref(thing)))}


def _get(thing: str, _: random.Random) -> Any:
    parameters = [
        {"name": "Id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
        {"name": "X-Trace", "in": "header", "schema": {"type": ["string", "null"]}},
        {"name": "session", "in": "cookie", "schema": STR},
    ]
    return "get", "/{Id}", "get", {"parameters": parameters, "deprecated": True, **_answer("200", ref(thing))}


def _create(thing: str, _: random.Random) -> Any:
    body = {"required": True, **content("application/json", ref(f"{thing}Change"))}
    body["content"] |= content("application/x-www-form-urlencoded", ref(f"{thing}Form"))["content"]
    return "post", "", "create", {"requestBody": body, **_answer("201", ref(thing)), "security": []}


def _update(thing: str, _: random.Random) -> Any:
    parameters = [{"name": "Id", "in": "path", "required": True, "schema": STR}]
    body = {"required": False, **content("application/merge-patch+json", ref(f"{thing}Change"))}
    return "patch", "/{Id}", "update", {"parameters": parameters, "requestBody": body, **_answer("default", ref(thing))}


def _delete(_: str, __: random.Random) -> Any:
    parameters = [{"name": "Id", "in": "path", "required": True, "schema": {"type": "integer"}}]
    return "delete", "/{Id}", "delete", {"parameters": parameters, "responses": {"204": {"description": "Gone."}}}


def _download(_: str, choose: random.Random) -> Any:
    media_type = choose.choice(["application/pdf", "text/csv", "application/zip", "application/octet-stream"])
    schema = choose.choice([STR, {"type": "string", "format": "binary"}])
    return "get", "/File", "download", {"responses": {"200": {"description": "A file.", **content(media_type, schema)}}}


def _upload(thing: str, choose: random.Random) -> Any:
    media_type = choose.choice(["multipart/form-data", "application/octet-stream", "text/csv"])
    schema = ref(f"{thing}Upload") if media_type == "multipart/form-data" else {"type": "string", "format": "binary"}
    return "put", "/File", "upload", {"requestBody": {"required": True, **content(media_type, schema)}}


def _search(thing: str, _: random.Random) -> Any:
    found = {"oneOf": [ref(thing), array(ref(thing)), {"type": "object", "properties": {"class": STR}}]}
    return (
        "post",
        "/Search",
        "search",
        {"requestBody": content("application/json", {"type": "object"}), **_answer("2XX", found)},
    )


_FORMS = (_list, _get, _create, _update, _delete, _download, _upload, _search)


def _answer(code: str, schema: dict[str, Any]) -> dict[str, Any]:
    error = {"description": "A mistake.", **content("application/json", ref("ErrorResponse"))}
    return {"responses": {code: {"description": "Done.", **content("application/json", schema)}, "404": error}}


def _schemas(thing: str, number: int, choose: random.Random) -> dict[str, Any]:
    """Return the components of a page: its own, and those that all pages share."""
    own = {
        "type": "object",
        "title": choose.choice([thing, "Thing", "A thing to lend"]),
        "description": f"A {thing.lower()}.",
        "properties": {
            "Id": {"type": "string", "format": "uuid"},
            "state": ref(f"{thing}State"),
            "class": STR,
            "d": {"type": ["string", "null"]},
            "from": {"type": "string", "format": "date"},
            thing.lower(): {"type": "object", "properties": {"parts": array(ref(thing))}},
            "+1": {"type": "integer"},
            "-1": {"type": "integer"},
            "size": {"type": ["integer", "string"], "pattern": "^[0-9]+$"},
            "grade": {"enum": [1, "good", True]},
            "price": ref("Money"),
            "owner": {"allOf": [ref("Person"), {"type": "object", "properties": {"since": {"type": "string"}}}]},
            "extra": {"type": "object", "additionalProperties": {"oneOf": [STR, {"type": "number"}]}},
            "history": array({"anyOf": [ref("Person"), {"type": "null"}]}),
        },
        "required": ["Id"],
    }
    change = {"type": "object", "properties": {"state": ref(f"{thing}State"), "note": {"type": "string", "default": 1}}}
    schemas: dict[str, Any] = {
        thing: own,
        f"{thing}State": {"type": "string", "enum": choose.sample(STATES, 5)},
        f"{thing}Change": {"allOf": [{"type": "object", "properties": {"note": STR}}, change]},
        f"{thing}Form": {"type": "object", "properties": {"state": STR, "count": {"type": "integer", "minimum": 1}}},
        f"{thing}Upload": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}, "tags": array(STR), "about": ref("Person")},
        },
    }
    return schemas | _shared(number, choose)


def _shared(number: int, choose: random.Random) -> dict[str, Any]:
    """Return the components of all pages; their prose differs, and those of a few pages contradict the others."""
    prose = choose.choice(["An amount.", "An amount of money."])
    shared: dict[str, Any] = {
        "Money": {"type": "object", "description": prose, "properties": {"amount": STR, "currency": STR}},
        "Person": {"type": "object", "properties": {"name": STR, "friends": array(ref("Person"))}},
        "ErrorResponse": {"type": "object", "properties": {"Status": STR, "Message": STR}},
    }
    if number % 7 == 3:
        shared["ErrorResponse"]["properties"]["Code"] = {"type": "integer"}
    if number % 11 == 5:
        shared["Money"]["properties"]["amount"] = {"type": "number"}
    return shared


def _document(
    page: Page, operations: list[tuple[str, str, dict[str, Any]]], *, version: str = "3.1.0"
) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for path, method, operation in operations:
        paths.setdefault(path, {})[method] = operation
    used = _used(operations, page.schemas)
    return {
        "openapi": version,
        "info": {"title": f"Library API: {page.title}", "version": "3.0"},
        "tags": [{"name": tag} for tag in sorted({tag for _, _, one in operations for tag in one["tags"]})],
        "servers": [{"url": "https://library.example", "description": f"For {page.title.lower()}s"}],
        "paths": paths,
        "components": {"schemas": {name: page.schemas[name] for name in sorted(used)}},
    }


def _used(value: Any, schemas: dict[str, Any]) -> set[str]:
    """Return the names of the components that a value needs, as a page repeats those of each operation."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        text = json.dumps(waiting.pop())
        for name, schema in schemas.items():
            if name not in found and f'"#/components/schemas/{name}"' in text:
                found.add(name)
                waiting.append(schema)
    return found


def _write_markdown(folder: Path, page: Page, choose: random.Random) -> Path:
    parts = [f"> For the index, see [the list](./index.md).\n\n# {page.title}s\n\nAll about {page.title.lower()}s.\n"]
    for path, method, operation in page.operations:
        prose = "\n".join(f"> {line}\\" for line in ["What it does.", "", f"\\`{method.upper()}\\` it \\*twice\\*."])
        document = json.dumps(
            _document(page, [(path, method, operation)]), separators=choose.choice([(",", ":"), None])
        )
        parts.append(f"## {operation['summary']}\n\n{prose}\n\n```json\n{document}\n```\n")
    parts.append("## See also\n\n* [Another page](./other.md)\n")
    return _write(folder / f"{page.title.lower()}s.md", "\n".join(parts))


def _write_models(folder: Path, page: Page) -> Path:
    parts = ["# Models\n"]
    for name in page.schemas:
        document = _document(page, [])
        del document["paths"], document["tags"], document["servers"]
        document["components"]["schemas"] = {
            each: page.schemas[each] for each in sorted({name} | _used(page.schemas[name], page.schemas))
        }
        parts.append(f"## The {name} object\n\n```json\n{json.dumps(document)}\n```\n")
    return _write(folder / f"{page.title.lower()}s-models.md", "\n".join(parts))


def _write_yaml(folder: Path, page: Page) -> Path:
    """Write a page of OpenAPI 3.0, which says `nullable` and knows one type only."""
    text = json.dumps(_document(page, page.operations, version="3.0.3"))
    text = text.replace('{"type": ["string", "null"]}', '{"type": "string", "nullable": true}')
    text = text.replace('"type": ["integer", "string"]', '"type": "string"')
    text = text.replace('{"type": "null"}', '{"type": "object", "nullable": true}')
    document = yaml.dump(json.loads(text), Dumper=yaml.CSafeDumper, sort_keys=False, width=1000)
    return _write(folder / f"{page.title.lower()}s.yaml", document)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def pages_of(folder: Path) -> Iterator[Path]:
    """Yield the pages in a folder."""
    yield from sorted(path for path in folder.iterdir() if path.suffix in {".md", ".yaml"})


def main() -> None:
    """Write the pages, and print the seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=250)
    options = parser.parse_args()
    done = write_pages(options.folder, seed=options.seed, operations=options.operations)
    print(f"seed {options.seed}: {done.operations} operations on {len(done.pages)} pages in {options.folder}")  # noqa: T201


if __name__ == "__main__":
    main()
