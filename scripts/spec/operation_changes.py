"""Compare the operations of two documents: addresses, tags, credentials, parameters, bodies and responses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spec.api import Api, Node, Operation, Place
from spec.change import Changes, Direction, becomes
from spec.python_types import ANY, body_parent, chosen_content, identifier, reading, sending, shown
from spec.schema_changes import SchemaComparison, Where, as_text, is_missed

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_COMPARED = frozenset({"operationId", "tags", "security", "parameters", "requestBody", "responses", "servers"})
_OF_PARAMETER = frozenset({"name", "in", "required", "schema", "content", "style", "explode", "allowReserved"})
_RESERVED = ("client", "url")  # Python names of the generated functions


@dataclass(frozen=True)
class OperationComparison:
    """Compares the operations of two documents."""

    schemas: SchemaComparison

    @property
    def old(self) -> Api:
        """The old document."""
        return self.schemas.old

    @property
    def new(self) -> Api:
        """The new document."""
        return self.schemas.new

    @property
    def changes(self) -> Changes:
        """Gets what is found."""
        return self.schemas.changes

    def compare(self) -> None:
        """Compare all operations."""
        pairs = paired(self.old.operations, self.new.operations)
        for operation in self.old.operations:
            if not any(old is operation for old, _ in pairs):
                self._add("operation-removed", operation, f"operation {operation.id}", operation.node.place)
        for operation in self.new.operations:
            if not any(new is operation for _, new in pairs):
                self._add("operation-added", operation, f"operation {operation.id}", operation.node.place)
        self._first_tags(pairs)
        for old, new in pairs:
            _OneOperation(self.schemas, old, new).compare()

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
                self.changes.add(kind, subject, place, detail=becomes(before, after), used_in=names)

    def _add(self, kind: str, operation: Operation, subject: str, place: Place) -> None:
        self.changes.add(kind, subject, place, used_in=(operation.id,))


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
        self._body()
        self._responses()

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
        for key in sorted((old.object.keys() | new.object.keys()) - _COMPARED):
            if as_text(old.object.get(key)) != as_text(new.object.get(key)):
                self.schemas.keyword(key, where, (*new.place, key))
        urls = [{it.text("url") for it in node.get("servers").entries()} for node in (old, new)]
        if urls[0] != urls[1]:
            kind = "server-added" if urls[0] and urls[0] <= urls[1] else "server-removed"
            self._add(kind, f"server of {self.after.id}", (*new.place, "servers"))

    def _security(self) -> None:
        old, new = (_alternatives(api, it) for api, it in self._sides())
        subject, place = f"operation {self.after.id}", (*self.after.node.place, "security")
        had, has = (bool(it.node.object.get("security")) for it in (self.before, self.after))
        free = as_text({})
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
        for key in ("style", "explode", "allowReserved", "content"):
            if as_text(old.object.get(key)) != as_text(new.object.get(key)):
                detail = "" if key == "content" else becomes(old.object.get(key), new.object.get(key))
                self._add("parameter-format-changed", f"{key} of {subject}", (*new.place, key), detail, "request")
        where = Where(subject, new.text("name"), self.after.id, "parameter", "request", (self.after.id,))
        for key in sorted((old.object.keys() | new.object.keys()) - _OF_PARAMETER):
            if as_text(old.object.get(key)) != as_text(new.object.get(key)):
                self.schemas.keyword(key, where, (*new.place, key))
        self.schemas.compare(old.get("schema"), new.get("schema"), where)

    def _subject(self, parameter: Node) -> str:
        name, location = parameter.text("name"), parameter.text("in")
        what = f"header {name}" if location == "header" else f"parameter {name}"
        return what if parameter.place[0] == "components" else f"{what} of {self.after.id}"

    def _body(self) -> None:
        old, new = (api.follow(it.node.get("requestBody")) for api, it in self._sides())
        subject = f"body of {self.after.id}"
        was, is_now = (it.object.get("required") is True for it in (old, new))
        if not old.object or not new.object:
            if new.object:
                self._add("body-required-added" if is_now else "body-added", subject, new.place, direction="request")
            elif old.object:
                self._add("body-removed", subject, old.place, direction="request")
            return
        if was != is_now:
            kind = "body-required" if is_now else "body-optional"
            self._add(kind, subject, (*new.place, "required"), direction="request")
        contents = old.get("content").members(), new.get("content").members()
        self._classes_of_body(contents, subject)
        self._content_types(contents, ("body-type-removed", "body-type-added"), subject, "request")
        for content_type in sorted(contents[0].keys() & contents[1].keys()):
            parent = body_parent(self.after.id, content_type, len(contents[1]))
            where = Where(subject, "body", parent, "parameter", "request", (self.after.id,))
            self._media(contents[0][content_type], contents[1][content_type], where)
        self._prose(old, new, subject)

    def _classes_of_body(self, contents: tuple[dict[str, Node], dict[str, Node]], subject: str) -> None:
        """Find classes that get another name, or can't be told apart, because the body has several content types."""
        before, after = (
            {kind: reader.types(it.get("schema"), "body", body_parent(self.after.id, kind, len(its)))
             for kind, it in its.items()}
            for reader, its in zip((self.schemas.old_types, self.schemas.new_types), contents, strict=True)
        )  # fmt: skip
        for kind in sorted(before.keys() & after.keys()):
            place = contents[1][kind].place
            if (len(before) > 1) != (len(after) > 1) and before[kind] != after[kind]:
                detail = becomes(shown(before[kind]), shown(after[kind]))
                self._add("parameter-type-narrowed", subject, place, detail, "request")
            twins = [other for other in sorted(after.keys() - before.keys())
                     if after[kind] & after[other] and sending(kind) != sending(other)]  # fmt: skip
            for other in twins:
                self._add("body-type-confused", subject, contents[1][other].place, f"{kind} and {other}", "request")

    def _media(self, old: Node, new: Node, where: Where) -> None:
        for key in sorted((old.object.keys() | new.object.keys()) - {"schema"}):
            if as_text(old.object.get(key)) != as_text(new.object.get(key)):
                self.schemas.keyword(key, where, (*new.place, key))
        self.schemas.compare(old.get("schema"), new.get("schema"), where)

    def _content_types(
        self,
        contents: tuple[dict[str, Node], dict[str, Node]],
        kinds: tuple[str, str],
        subject: str,
        direction: Direction,
    ) -> None:
        old, new = contents
        for content_type, node in old.items():
            if content_type not in new:
                self._add(kinds[0], f"content type {content_type} of {subject}", node.place, direction=direction)
        for content_type, node in new.items():
            if content_type not in old:
                self._add(kinds[1], f"content type {content_type} of {subject}", node.place, direction=direction)

    def _responses(self) -> None:
        old, new = (
            {status: api.follow(it) for status, it in operation.node.get("responses").members().items()}
            for api, operation in self._sides()
        )
        returned = self.schemas.old_types.returned(self.before)
        everything = frozenset[str]().union(*returned.values())
        remaining = frozenset[str]().union(*self.schemas.new_types.returned(self.after).values())
        for status, response in old.items():
            if status not in new:
                kind = "response-success-removed" if _is_success(status) else "response-removed"
                lost = is_missed(returned[status], remaining)
                kind = "response-class-removed" if lost and kind == "response-removed" else kind
                self._add(kind, self._response(status), response.place, direction="response")
        for status, response in new.items():
            if status not in old:
                types = self.schemas.new_types.types_of_response(response, status, self.after.id)
                added = types - everything - ANY
                kind = (
                    "response-class-added"
                    if added
                    else "response-success-added"
                    if _is_success(status)
                    else "response-added"
                )
                self._add(kind, self._response(status), response.place, shown(added), "response")
            else:
                where = Where(
                    *(self._response(status), f"response {status}", self.after.id, "response", "response"),
                    (self.after.id,),
                    is_closed=True,
                    returned=everything,
                    returns=remaining,
                )
                self._one_response(old[status], response, where)

    def _response(self, status: str) -> str:
        return f"response {status} of {self.after.id}"

    def _one_response(self, old: Node, new: Node, where: Where) -> None:
        before, after = chosen_content(old), chosen_content(new)
        kinds = reading(before), reading(after)
        if kinds[0] != kinds[1] and old.get("content").object and new.get("content").object:
            self._other_content(before, after, where)
        else:
            self._unread_content(old, new, where)
            nothing = Node(None, new.place)
            self._media(before or nothing, after or nothing, where)
        self._headers(old, new, where)
        self._prose(old, new, where.subject)

    def _other_content(self, before: Node | None, after: Node | None, where: Where) -> None:
        readers = self.schemas.old_types, self.schemas.new_types
        texts = []
        for node, reader in zip((before, after), readers, strict=True):
            types = shown(reader.types(node.get("schema"), where.name, where.parent)) if node else "nothing"
            texts.append(f"{node.place[-1]}, {types}" if node else "none that can be read")
        node = after or before
        place = node.place if node else ()
        self._add("content-type-changed", f"content of {where.subject}", place, becomes(*texts), "response")

    def _unread_content(self, old: Node, new: Node, where: Where) -> None:
        before, after = old.get("content").members(), new.get("content").members()
        if before and after:
            self._content_types(
                (before, after), ("content-type-removed", "content-type-added"), where.subject, "response"
            )

    def _headers(self, old: Node, new: Node, where: Where) -> None:
        before, after = old.get("headers").members(), new.get("headers").members()
        for name, node in before.items():
            if name not in after:
                self._add("header-removed", f"header {name} of {where.subject}", node.place, direction="response")
        for name, node in after.items():
            subject = f"header {name} of {where.subject}"
            if name not in before:
                self._add("header-added", subject, node.place, direction="response")
                continue
            one, other = self.schemas.old.follow(before[name]), self.schemas.new.follow(node)
            inside = Where(subject, name, "", "header", "response", where.used_in)
            for key in sorted((one.object.keys() | other.object.keys()) - {"schema"}):
                if as_text(one.object.get(key)) != as_text(other.object.get(key)):
                    self.schemas.keyword(key, inside, (*other.place, key))
            self.schemas.compare(one.get("schema"), other.get("schema"), inside)

    def _prose(self, old: Node, new: Node, subject: str) -> None:
        where = Where(subject, "", "", "field", "both", (self.after.id,))
        for key in sorted((old.object.keys() | new.object.keys()) - {"content", "headers", "required", "$ref"}):
            if as_text(old.object.get(key)) != as_text(new.object.get(key)):
                self.schemas.keyword(key, where, (*new.place, key))


def _alternatives(api: Api, operation: Operation) -> set[str]:
    own = operation.node.object.get("security")
    found = own if own is not None else api.document.get("security")
    return {as_text(it) for it in found} if isinstance(found, list) else set()


def _key(parameter: Node) -> tuple[str, str]:
    return parameter.text("in"), parameter.text("name")


def _keywords(operation: Operation) -> dict[tuple[str, str], str]:
    """Return the Python names of parameters: with the location if two of them are equal, or if they are reserved."""
    names = {key: identifier(key[1]) for key in operation.parameters}
    counted = [*names.values()]
    return {
        key: f"{name}_{key[0]}" if name in _RESERVED or counted.count(name) > 1 else name for key, name in names.items()
    }


def _is_success(status: str) -> bool:
    return status[:1] in ("2", "3")
