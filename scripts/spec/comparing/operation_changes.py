"""Compare the operations of two documents: names, addresses, tags, credentials and parameters."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spec.comparing.api import Api, Node, Operation, address
from spec.comparing.change import Direction, becomes
from spec.comparing.exchange_changes import ExchangeComparison
from spec.comparing.member_names import keywords
from spec.comparing.schema_changes import PROSE, SchemaComparison
from spec.comparing.where import Where
from spec.documents import JsonObject, Place, canonical
from spec.generating.lookup import Lookup
from spec.python_names import identifier

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_COMPARED = frozenset({"operationId", "tags", "security", "parameters", "requestBody", "responses", "servers"})
_OF_PARAMETER = frozenset({"name", "in", "required", "schema", "content", "style", "explode"})
_SCALARS = ("string", "number", "integer", "boolean", "null")


@dataclass(frozen=True)
class OperationComparison:
    """Compares the operations of two documents."""

    schemas: SchemaComparison

    def compare(self) -> None:
        """Compare all operations."""
        old, new = self.schemas.old.operations, self.schemas.new.operations
        pairs = paired(old, new)
        known = {id(operation) for pair in pairs for operation in pair}
        for kind, operations in (("operation-removed", old), ("operation-added", new)):
            for operation in operations:
                if id(operation) not in known:
                    name, place = operation.id, operation.node.place
                    self.schemas.changes.add(kind, f"operation {name}", place, used_in=(name,))
        self._first_tags(pairs)
        for pair in pairs:
            _OneOperation(self.schemas, *pair).compare()

    def _first_tags(self, pairs: list[tuple[Operation, Operation]]) -> None:
        """Name a tag that is renamed once, and not for each of its operations."""
        moves: dict[tuple[str, str], list[Operation]] = {}
        for old, new in pairs:
            if old.tag != new.tag:
                moves.setdefault((old.tag, new.tag), []).append(new)
        for (before, after), operations in moves.items():
            kind = "tag-respelled" if identifier(before) == identifier(after) else "tag-renamed"
            is_all = len(operations) == sum(old.tag == before for old, _ in pairs)
            groups = [operations] if is_all else [[it] for it in operations]
            for group in groups:
                subject = f"tag {before}" if is_all else f"first tag of {group[0].id}"
                place = (*group[0].node.place, "tags")
                names = [it.id for it in group]
                self.schemas.changes.add(kind, subject, place, detail=becomes(before, after), used_in=names)


def paired(old: list[Operation], new: list[Operation]) -> list[tuple[Operation, Operation]]:
    """Pair the operations of two documents: by id and address, then by id, and then by address alone."""
    left_old, left_new = list(old), list(new)
    found = []
    for key in (lambda it: (it.id, _address(it)), lambda it: it.id, _address):
        by_key = {key(it): it for it in left_new}
        for operation in list(left_old):
            if match := by_key.pop(key(operation), None):
                found.append((operation, match))
                left_old.remove(operation)
                left_new.remove(match)
    order = {id(it): index for index, it in enumerate(new)}
    return sorted(found, key=lambda pair: order[id(pair[1])])


def _address(operation: Operation) -> tuple[str, str]:
    return operation.method, _PLACEHOLDER.sub("{}", operation.path)


@dataclass(frozen=True)
class _OneOperation:
    """Compares an operation before and after."""

    schemas: SchemaComparison
    before: Operation
    after: Operation

    def compare(self) -> None:
        self._name()
        self._keywords()
        self._security()
        self._parameters()
        ExchangeComparison(self.schemas, self.before, self.after).compare()

    def _add(self, kind: str, subject: str, place: Place, detail: str = "", direction: Direction = "both") -> None:
        used_in = (self.after.id,)
        self.schemas.changes.add(kind, subject, place, detail=detail, direction=direction, used_in=used_in)

    def _name(self) -> None:
        old, new = self.before, self.after
        if old.id != new.id:
            kind = "operation-respelled" if identifier(old.id) == identifier(new.id) else "operation-renamed"
            place = (*new.node.place, "operationId")
            self.schemas.changes.add(
                kind, f"operation {old.id}", place, detail=becomes(old.id, new.id), used_in=(old.id, new.id)
            )
        if _address(old) != _address(new):
            addresses = (f"{it.method.upper()} {it.path}" for it in (old, new))
            self._add("operation-moved", f"operation {new.id}", new.node.place, becomes(*addresses), "request")
        if old.node.get("tags").texts()[1:] != new.node.get("tags").texts()[1:] and old.tag == new.tag:
            self._add("tags-changed", f"tags of {new.id}", (*new.node.place, "tags"))

    def _keywords(self) -> None:
        old, new = self.before.node, self.after.node
        where = Where(self.after.id, "", "", "field", "both", (self.after.id,))
        self.schemas.keywords(old, new, where, but=_COMPARED)
        urls = [{address(it.text("url")) for it in node.get("servers").entries()} for node in (old, new)]
        if urls[0] != urls[1]:
            kind = "server-added" if urls[0] and urls[0] <= urls[1] else "server-removed"
            self._add(kind, f"server of {self.after.id}", (*new.place, "servers"))

    def _security(self) -> None:
        old, new = (_alternatives(api, it) for api, it in self._sides())
        subject, place = f"operation {self.after.id}", (*self.after.node.place, "security")
        had, has = (bool(it.node.object.get("security")) for it in (self.before, self.after))
        free = canonical({})
        if not had and has:
            self._add("security-added", subject, place, direction="request")
        elif old != new or had != has:
            is_free = not new or free in new
            kind = "security-removed" if is_free else "security-widened" if old and old <= new else "security-narrowed"
            self._add(kind, subject, place, direction="request")

    def _sides(self) -> tuple[tuple[Api, Operation], tuple[Api, Operation]]:
        return (self.schemas.old, self.before), (self.schemas.new, self.after)

    def _parameters(self) -> None:
        names = _keywords(self.before), _keywords(self.after)
        for old, new in self._paired_parameters():
            if new is None and old is not None:
                self._add("parameter-removed", self._subject(old), old.place, direction="request")
            elif new is not None and old is None:
                given = new.object.get("required") is True and self._default(new) is None
                kind = "parameter-required-added" if given else "parameter-added"
                self._add(kind, self._subject(new), new.place, direction="request")
            elif old is not None and new is not None:
                self._parameter(old, new, (names[0][_key(old)], names[1][_key(new)]))

    def _default(self, parameter: Node) -> object:
        return self.schemas.new.follow(parameter.get("schema")).object.get("default")

    def _paired_parameters(self) -> Iterator[tuple[Node | None, Node | None]]:
        left_old, left_new = dict(self.before.parameters), dict(self.after.parameters)
        places = (_PLACEHOLDER.findall(it.path) for it in (self.before, self.after))
        for before, after in zip(*places, strict=False):
            if ("path", before) in left_old and ("path", after) in left_new:
                yield left_old.pop(("path", before)), left_new.pop(("path", after))
        for key in list(left_old):
            if key in left_new:
                yield left_old.pop(key), left_new.pop(key)
        for key in list(left_old):
            moved = next((it for it in left_new if it[1] == key[1] and "path" not in (it[0], key[0])), None)
            yield left_old.pop(key), left_new.pop(moved) if moved else None
        for node in left_new.values():
            yield None, node

    def _parameter(self, old: Node, new: Node, keywords: tuple[str, str]) -> None:
        subject = self._subject(new)
        if old.text("name") != new.text("name"):
            kind = "parameter-respelled" if keywords[0] == keywords[1] else "parameter-renamed"
            self._add(
                kind, self._subject(old), (*new.place, "name"), becomes(old.text("name"), new.text("name")), "request"
            )
        elif keywords[0] != keywords[1]:
            self._add("parameter-keyword-changed", subject, new.place, becomes(*keywords), "request")
        if old.text("in") != new.text("in"):
            self._add(
                "parameter-moved", subject, (*new.place, "in"), becomes(old.text("in"), new.text("in")), "request"
            )
        was, is_now = (it.object.get("required") is True for it in (old, new))
        if was != is_now:
            kind = "parameter-required" if is_now else "parameter-optional"
            self._add(kind, subject, (*new.place, "required"), direction="request")
        before, after = _serialization(self.schemas.old, old), _serialization(self.schemas.new, new)
        for key in sorted(before.keys() & after.keys()) if old.text("in") == new.text("in") else ():
            if canonical(before[key]) != canonical(after[key]):
                detail = "" if key == "content" else becomes(before[key], after[key])
                self._add("parameter-format-changed", f"{key} of {subject}", (*new.place, key), detail, "request")
        where = Where(subject, new.text("name"), self.after.id, "parameter", "request", (self.after.id,))
        self.schemas.keywords(old, new, where, but=_OF_PARAMETER)
        self.schemas.compare(_schema(self.schemas.old, old), _schema(self.schemas.new, new), where)

    def _subject(self, parameter: Node) -> str:
        name, location = parameter.text("name"), parameter.text("in")
        what = f"header {name}" if location == "header" else f"parameter {name}"
        return what if parameter.place[0] == "components" else f"{what} of {self.after.id}"


def _alternatives(api: Api, operation: Operation) -> set[str]:
    own = operation.node.object.get("security")
    found = own if own is not None else api.document.get("security")
    return {canonical(it) for it in found} if isinstance(found, list) else set()


def _serialization(api: Api, parameter: Node) -> JsonObject:
    """Return how a parameter is written; a default that is written out is the same as none."""
    location = parameter.text("in")
    style = parameter.object.get("style", "form" if location in ("query", "cookie") else "simple")
    explode = parameter.object.get("explode", style == "form")
    found: JsonObject = {"style": style, "explode": explode, "content": parameter.object.get("content")}
    schema = Lookup(api.document).resolve(parameter.object.get("schema", {}))
    kinds = schema.get("type")
    if {*(kinds if isinstance(kinds, list) else [kinds])} <= {*_SCALARS}:
        del found["explode"]  # it has a meaning for lists and objects only
    return found


def _schema(api: Api, parameter: Node) -> Node:
    """Return the schema of a parameter; that of a string if the generator cannot express it where it stands."""
    location, schema, look = parameter.text("in"), parameter.get("schema"), Lookup(api.document)
    if look.kind(schema.value) == "array":
        written = _serialization(api, parameter)
        is_text = location != "query" or (written["style"], written["explode"]) != ("form", True)
    else:
        is_text = location != "query" and not look.is_plain(schema.value)
    if not is_text and "content" not in parameter.object:
        return schema
    kept: JsonObject = {key: value for key, value in api.follow(schema).object.items() if key in PROSE}
    return Node(kept | {"type": "string"}, schema.place)


def _key(parameter: Node) -> tuple[str, str]:
    return parameter.text("in"), parameter.text("name")


def _keywords(operation: Operation) -> dict[tuple[str, str], str]:
    required = {key: it.object.get("required") is True for key, it in operation.parameters.items()}
    names = keywords(required)
    return {key: names.get(key, "none of its own") for key in required}
