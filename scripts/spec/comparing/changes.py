"""Compare two OpenAPI documents, and name what has changed in the words of the API.

References are followed, so that it does not matter where a part is described. A component is compared once, with the
operations that use it; operations are paired by path and method and by operationId.
"""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from spec.comparing.api import Api, Node, address, changed_keys, schema_name
from spec.comparing.change import Change as Change  # noqa: PLC0414 - part of this module's interface
from spec.comparing.change import Changes, becomes
from spec.comparing.class_numbers import numbered_classes
from spec.comparing.facade_verdicts import with_facade
from spec.comparing.operation_changes import OperationComparison
from spec.comparing.schema_changes import PROSE, SchemaComparison
from spec.comparing.usage import Usages
from spec.comparing.where import Where
from spec.documents import JsonObject, Place, canonical, tokens_of
from spec.references import references_in

_ROOT = frozenset({"info", "servers", "tags", "paths", "components"})  # those that are compared part by part
_SHARED = ("parameters", "requestBodies", "responses", "headers", "examples", "links", "callbacks", "pathItems")
_SINGULAR = {"requestBodies": "request body", "pathItems": "path item"}


def compare(old: JsonObject, new: JsonObject) -> list[Change]:
    """Return the changes from one merged document to another; none if they mean the same.

    Args:
        old: The document before.
        new: The document after; neither is modified.
    """
    before, after, changes = Api(old), Api(new), Changes()
    renamed = renamed_components(before, after)
    schemas = SchemaComparison(before, after, renamed, changes)
    _Root(before, after, changes, schemas).compare()
    OperationComparison(schemas).compare()
    _Components(schemas).compare()
    return with_facade(list(changes.found.values()), old, new)


@dataclass(frozen=True)
class _Root:
    """Compares what the whole document has: its title, servers, tags, and the ways to authenticate."""

    old: Api
    new: Api
    changes: Changes
    schemas: SchemaComparison

    def compare(self) -> None:
        self._info()
        self._servers()
        self._tags()
        self._security_schemes()

    def _info(self) -> None:
        for key in changed_keys(self.old.node(), self.new.node(), but=_ROOT):
            kind = "extension-changed" if key.startswith("x-") else "document-changed"
            self.changes.add(kind, f"{key} of the document", (key,))
        old, new = self.old.node("info"), self.new.node("info")
        for key in changed_keys(old, new):
            detail = becomes(old.object.get(key), new.object.get(key)) if key in ("title", "version") else ""
            self.changes.add("document-changed", f"{key} of the API", ("info", key), detail=detail)

    def _servers(self) -> None:
        old, new = (
            {address(it.text("url")): it for it in api.node("servers").entries()} for api in (self.old, self.new)
        )
        everywhere = [operation.id for operation in self.new.operations]
        for url, server in old.items():
            if url not in new:
                self.changes.add("server-removed", f"server {url}", server.place, used_in=everywhere)
        for url, server in new.items():
            if url not in old:
                self.changes.add("server-added", f"server {url}", server.place)
            else:
                before, after = old[url].text("url"), server.text("url")
                if before != after:
                    detail = becomes(before, after)
                    self.changes.add("server-respelled", f"server {url}", (*server.place, "url"), detail=detail)
                self._prose(f"server {url}", old[url], server, but={"url"})

    def _tags(self) -> None:
        old, new = ({it.text("name"): it for it in api.node("tags").entries()} for api in (self.old, self.new))
        for name in sorted(old.keys() & new.keys()):
            self._prose(f"tag {name}", old[name], new[name])
        # A first tag that is renamed is compared with its operations.
        firsts = ({operation.tag for operation in api.operations} for api in (self.old, self.new))
        first_old, first_new = firsts
        if old.keys() ^ new.keys() != (first_old ^ first_new) & (old.keys() | new.keys()):
            self.changes.add("tags-changed", "tags of the document", ("tags",))

    def _security_schemes(self) -> None:
        old, new = (api.node("components", "securitySchemes").members() for api in (self.old, self.new))
        renamed = same_contents(old, new)
        for name, scheme in old.items():
            if name in renamed:
                target = renamed[name]
                self.changes.add(
                    "security-scheme-renamed",
                    f"security scheme {name}",
                    new[target].place,
                    detail=becomes(name, target),
                )
            elif name not in new:
                self.changes.add("security-scheme-removed", f"security scheme {name}", scheme.place)
        for name, scheme in new.items():
            if name in old:
                self._security_scheme(name, old[name], scheme)
            elif name not in renamed.values():
                self.changes.add("security-scheme-added", f"security scheme {name}", scheme.place)

    def _security_scheme(self, name: str, old: Node, new: Node) -> None:
        hidden = {"description", "bearerFormat"}
        before, after = ({key: it for key, it in node.object.items() if key not in hidden and not key.startswith("x-")}
                         for node in (old, new))  # fmt: skip
        if canonical(before) != canonical(after):
            used_in = [operation.id for operation in self.new.operations]
            detail = becomes(before.get("scheme", before.get("type")), after.get("scheme", after.get("type")))
            self.changes.add(
                "security-scheme-changed", f"security scheme {name}", new.place, detail=detail, used_in=used_in
            )
        self._prose(f"security scheme {name}", old, new, only=hidden)

    def _prose(
        self, subject: str, old: Node, new: Node, *, only: Container[str] | None = None, but: Iterable[str] = ()
    ) -> None:
        for key in changed_keys(old, new, but=but):
            if only is None or key in only:
                kind = "description-changed" if key in PROSE else "keyword-changed"
                self.changes.add(kind, f"{key} of {subject}", (*new.place, key))


@dataclass(frozen=True)
class _Components:
    """Compares components: schemas with each other, and the names of the other parts."""

    schemas: SchemaComparison

    def compare(self) -> None:
        old, new, renamed = self.schemas.old, self.schemas.new, self.schemas.renamed
        usages = Usages(old), Usages(new)
        for name, node in old.schemas.items():
            target = renamed.get(name, name)
            where = self._where(target if target in new.schemas else name, usages)
            if target in new.schemas:
                self.schemas.component(node, new.schemas[target], where)
            else:
                kind = "component-removed" if self.schemas.old_types.makes_class(node) else "component-alias-removed"
                self._add(kind, where, node)
        for name, node in new.schemas.items():
            if name not in old.schemas and name not in renamed.values():
                self._add("component-added", self._where(name, usages), node)
        for section in _SHARED:
            self._names(section)
        self._numbers()

    def _numbers(self) -> None:
        """Find classes that get a number, or another one, because another class has their name."""
        old, new = (numbered_classes(api.document) for api in (self.schemas.old, self.schemas.new))
        for place in sorted(old.keys() | new.keys()):
            before, after = old.get(place), new.get(place)
            node = self.schemas.new.node(*tokens_of(place))
            if before == after or node.value is None or self.schemas.old.node(*tokens_of(place)).value is None:
                continue
            component = "#/" + "/".join(map(str, node.place[:3]))
            used_in = [it.id for it in self.schemas.new.operations if node.place[:3] == it.node.place]
            used_in += self.schemas.new.users.get(component, [])
            subject = f"class of {'.'.join(map(str, node.place[2:]))}"
            detail = becomes(before or "its own name", after or "its own name")
            self.schemas.changes.add("class-renumbered", subject, node.place, detail=detail, used_in=used_in)

    def _where(self, name: str, usages: tuple[Usages, Usages]) -> Where:
        previous = next((old for old, new in self.schemas.renamed.items() if new == name), name)
        before, after = usages[0].of(previous), usages[1].of(name)
        directions = {before.direction, after.direction}
        direction = directions.pop() if len(directions) == 1 else "both"
        if not (before.in_requests or before.in_responses):
            direction = after.direction
        elif not (after.in_requests or after.in_responses):
            direction = before.direction
        reference = f"#/components/schemas/{name}"
        used_in = [
            *self.schemas.old.users.get(f"#/components/schemas/{previous}", []),
            *self.schemas.new.users.get(reference, []),
        ]
        return Where(f"component {name}", name, "", "field", direction, tuple(dict.fromkeys(used_in)), before.is_closed)

    def _add(self, kind: str, where: Where, node: Node) -> None:
        self.schemas.changes.add(kind, where.subject, node.place, direction=where.direction, used_in=where.used_in)

    def _names(self, section: str) -> None:
        old, new = (api.node("components", section).members() for api in (self.schemas.old, self.schemas.new))
        what = _SINGULAR.get(section, section.removesuffix("s"))
        renamed, changes = same_contents(old, new), self.schemas.changes
        for name, node in old.items():
            if name in renamed:
                target = renamed[name]
                changes.add(
                    "shared-part-renamed", f"shared {what} {name}", new[target].place, detail=becomes(name, target)
                )
            elif name not in new:
                changes.add("shared-part-removed", f"shared {what} {name}", node.place)
            elif canonical(node.value) != canonical(new[name].value) and not self._is_used(section, name):
                changes.add("shared-part-changed", f"shared {what} {name}", new[name].place)
        for name, node in new.items():
            if name not in old and name not in renamed.values():
                changes.add("shared-part-added", f"shared {what} {name}", node.place)

    def _is_used(self, section: str, name: str) -> bool:
        reference = f"#/components/{section}/{name}"
        return any(reference in api.users for api in (self.schemas.old, self.schemas.new))


def renamed_components(old: Api, new: Api) -> dict[str, str]:
    """Return the schemas that have taken the place of others, by the old names.

    Two belong together if their contents are equal, or if they are referred to in the same places.
    """
    gone = {name: node for name, node in old.schemas.items() if name not in new.schemas}
    come = {name: node for name, node in new.schemas.items() if name not in old.schemas}
    found = same_contents(gone, come)
    referred = {place: name for place, name in _places(new) if name in come and name not in found.values()}
    shared: dict[str, Counter[str]] = {}
    for place, name in _places(old):
        if name in gone and name not in found and place in referred:
            shared.setdefault(name, Counter())[referred[place]] += 1
    taken = {*found.values()}
    for name, counted in shared.items():
        best = next((other for other, _ in counted.most_common() if other not in taken), None)
        if best is not None:
            found[name] = best
            taken.add(best)
    return found


def same_contents(old: dict[str, Node], new: dict[str, Node]) -> dict[str, str]:
    """Return the new names of parts that are described as before under another name."""
    come: dict[str, list[str]] = {}
    for name, node in new.items():
        if name not in old:
            come.setdefault(_anonymous(node, name), []).append(name)
    gone = {name: come.get(_anonymous(node, name), []) for name, node in old.items() if name not in new}
    return {name: equal.pop(0) for name, equal in gone.items() if equal}


def _anonymous(node: Node, name: str) -> str:
    """Return the contents of a component, without its name."""
    section = node.place[1] if len(node.place) > 1 else ""
    return canonical(node.value).replace(json.dumps(f"#/components/{section}/{name}", ensure_ascii=False), '"#"')


def _places(api: Api) -> Iterator[tuple[Place, str]]:
    return ((place, name) for place, ref in references_in(api.document) if (name := schema_name(ref)))
