"""Make one of the roots of several documents, by the rule of `openapi/merge.yml`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from spec.documents import Json, JsonObject, Place, Problem, as_list, canonical, object_at
from spec.fragments import Fragment
from spec.merging.contradictions import diff
from spec.merging.parts import required_schemes
from spec.merging.rules import EQUAL, NEWEST, PER_OPERATION, UNION, Rules, is_root_field
from spec.walk import METHODS, Kind, without_prose

_PARTS = frozenset({"paths", "webhooks", "components"})
_KINDS = {"info": Kind.INFO, "externalDocs": Kind.DOCS}


@dataclass
class Joined:
    """The document as it grows.

    Attributes:
        document: The document.
        origins: Where its parts are from: the index of a document, and the place there.
        notes: What differed and was settled by the rule.
        problems: What differs and is not settled.
    """

    document: JsonObject = field(default_factory=dict)
    origins: dict[Place, tuple[int, Place]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def spread(documents: Sequence[JsonObject], rules: Rules) -> tuple[list[JsonObject], list[str]]:
    """Write fields of the root to the operations, if the rule says so and the documents differ.

    Returns:
        The documents, and notes about what was written.
    """
    result, notes = [dict(document) for document in documents], []
    for name in ("security", "servers", "x-provenance"):
        users = [document for document in result if _has_operations(document)]
        values = {
            canonical([document.get(name), _schemes(document) if name == "security" else {}]) for document in users
        }
        if rules.of(name) == PER_OPERATION and len(values) > 1:
            for document in result:
                if (value := document.pop(name, None)) is not None:
                    for parent, key in _maps_of_paths(document):
                        items = parent[key]
                        parent[key] = _spread(items, name, value) if isinstance(items, dict) else items
            notes.append(f"{name}: the documents differ, so that it is written to each operation")
    return result, notes


def join_root(joined: Joined, documents: Sequence[JsonObject], fragments: Sequence[Fragment], rules: Rules) -> None:
    """Merge the fields of the root, except for paths, webhooks and components."""
    for name in dict.fromkeys(name for document in documents for name in document if name not in _PARTS):
        having = {index: document[name] for index, document in enumerate(documents) if name in document}
        if name == "tags" and rules.of(name) == UNION:
            _join_tags(joined, having, fragments)
        else:
            join_field(joined, (name,), having, fragments, rules)
    if "tags" in joined.document:
        # They follow the short fields.
        joined.document["tags"] = joined.document.pop("tags")


def join_field(
    joined: Joined,
    place: Place,
    having: dict[int, Json],
    fragments: Sequence[Fragment],
    rules: Rules,
    *,
    rule: str | None = None,
) -> None:
    """Merge the values of one field, of the root or of another object, by its rule.

    Args:
        joined: The document; the object that has the field exists.
        place: The field.
        having: Its values, by the index of the document.
        fragments: The fragment of each document.
        rules: The rules.
        rule: The rule for the field, if it is not that of the root's field of this name.
    """
    name = str(place[-1])
    rule = rule or rules.of(name)
    chosen = next(iter(having))
    if rule == NEWEST:
        chosen = max(having, key=lambda index: (_version(having[index]), -index))
    value, shown = having[chosen], "/".join(map(str, place))
    differing = [index for index, other in having.items() if canonical(other) != canonical(value)]
    kind = _KINDS.get(name)
    plain = {index: without_prose(other, kind) if kind else other for index, other in having.items()}
    unequal = [index for index in differing if canonical(plain[index]) != canonical(plain[chosen])]
    for index in unequal if rule == EQUAL else ():
        one, other = fragments[chosen].source, fragments[index].source
        at, line = f"{one.file}:{one.line(*place)}", other.line(*place)
        changes = diff(plain[chosen], plain[index], at, f"{other.file}:{line}")
        advice = "leave out the operations of one of them"
        if is_root_field(name):
            advice = f"let one be chosen, below `root` in {rules.file}: `{name}: first`"
        problem = Problem(other.file, line, f"{shown} differs from that in {at}", f"{changes}\n{advice}")
        joined.problems.append(problem)
    if differing and not (rule == EQUAL and unequal):
        joined.notes.append(f"{shown}: that of {fragments[chosen].source.file} stays; {_differ(differing, fragments)}")
    object_at(joined.document, *place[:-1])[name] = value
    joined.origins[place] = (chosen, place)


def _join_tags(joined: Joined, having: dict[int, Json], fragments: Sequence[Fragment]) -> None:
    """Collect the tags of all documents; of those with one name, the first stays."""
    found: dict[str, tuple[int, int, Json]] = {}
    differing: dict[str, list[int]] = {}
    for index, tags in having.items():
        for position, tag in enumerate(as_list(tags)):
            name = str(tag["name"]) if isinstance(tag, dict) else ""
            _, _, first = found.setdefault(name, (index, position, tag))
            if canonical(first) != canonical(tag):
                differing.setdefault(name, []).append(index)
    for name, indexes in differing.items():
        file = fragments[found[name][0]].source.file
        joined.notes.append(f"tags/{name}: that of {file} stays; {_differ(indexes, fragments)}")
    joined.document["tags"] = [tag for _, _, tag in found.values()]
    for position, (index, there, _) in enumerate(found.values()):
        joined.origins["tags", position] = (index, ("tags", there))


def _maps_of_paths(document: JsonObject) -> Iterator[tuple[JsonObject, str]]:
    """Yield the objects of a document that have path items as values, each as its parent and key."""
    components = document.get("components")
    if isinstance(components, dict) and isinstance(components.get("pathItems"), dict):
        document["components"] = components = dict(components)
        yield components, "pathItems"
    yield from ((document, key) for key in ("paths", "webhooks") if isinstance(document.get(key), dict))


def _has_operations(document: JsonObject) -> bool:
    maps = [parent[key] for parent, key in _maps_of_paths(document)]
    items = [item for items in maps if isinstance(items, dict) for item in items.values() if isinstance(item, dict)]
    return any(method in item for item in items for method in METHODS)


def _schemes(document: JsonObject) -> JsonObject:
    """Return the security schemes that a document requires; documents may call different ones by the same name."""
    found = object_at(document, "components", "securitySchemes")
    return {name: without_prose(found.get(name), Kind.SECURITY_SCHEME) for name in required_schemes(document)}


def _spread(items: JsonObject, name: str, value: Json) -> JsonObject:
    """Return paths with a field in each operation, unless the operation or its path has it."""
    return {
        path: {
            key: {**inner, name: inner.get(name, value)} if key in METHODS and isinstance(inner, dict) else inner
            for key, inner in item.items()
        }
        if isinstance(item, dict) and name not in item
        else item
        for path, item in items.items()
    }


def _version(value: Json) -> tuple[int, ...]:
    return tuple(int(number) for number in str(value).split(".") if number.isdecimal())


def _differ(indexes: Iterable[int], fragments: Sequence[Fragment]) -> str:
    files = [*dict.fromkeys(fragments[index].source.file for index in indexes)]
    return f"{files[0]} differs" if len(files) == 1 else f"{len(files)} others differ, such as {files[0]}"
