"""Compare two schemas: their Python types, and if these are equal, their fields, values and limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from spec.comparing.api import Api, Node, Property, changed_keys
from spec.comparing.change import Changes, becomes
from spec.comparing.member_names import attributes, members
from spec.comparing.python_types import ANY, Reader, Types, accepts, shown, variants_of
from spec.comparing.usage import is_open
from spec.comparing.where import Where
from spec.documents import Json, JsonObject, Place, canonical
from spec.python_names import class_name

PROSE = frozenset({"description", "summary", "title", "example", "examples", "externalDocs", "$comment"})
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_COUNTS = ("minLength", "minItems", "minProperties")
_OTHER_LIMITS = ("pattern", "multipleOf", "uniqueItems", "format", "const")
_COMPARED = frozenset({"$ref", "enum", "anyOf", "oneOf", "allOf", "items", "properties", "required", "default",
                       "additionalProperties", *_UPPER, *_LOWER, *_OTHER_LIMITS})  # fmt: skip


@dataclass(frozen=True)
class SchemaComparison:
    """Compares schemas of two documents.

    Attributes:
        old: The old document.
        new: The new document.
        renamed: The components that were renamed, by their old names.
        changes: Gets what is found.
    """

    old: Api
    new: Api
    renamed: dict[str, str]
    changes: Changes
    _active: set[tuple[Place, Place]] = field(default_factory=set, repr=False)

    @property
    def old_types(self) -> Reader:
        """Finds types in the old document, under the new names of components."""
        return Reader(self.old, self.renamed)

    @property
    def new_types(self) -> Reader:
        """Finds types in the new document."""
        return Reader(self.new, {})

    def compare(self, old: Node, new: Node, where: Where) -> None:
        """Compare two schemas, or references to schemas, in the same place of two documents.

        If they are equal, a change of what they refer to is one of the component.
        """
        if is_same(old.value, new.value):
            return
        before, after = (
            self.old_types.types(old, where.name, where.parent),
            self.new_types.types(new, where.name, where.parent),
        )
        if before != after:
            self._type(before, after, new.place, where)
            self._rest(_like(old, new, "type"), new, where)
        elif (name := self.new_types.component(new)) and self.old_types.component(old) == name:
            self._rest(old, new, where)  # what stands beside the references; the component is compared by itself
        else:
            self._once(self.old.follow(old), self.new.follow(new), where)

    def _once(self, old: Node, new: Node, where: Where) -> None:
        """Compare the contents of two schemas, unless that is going on already, because they contain themselves."""
        pair = old.place, new.place
        if pair not in self._active:
            self._active.add(pair)
            self.contents(old, new, where)
            self._active.remove(pair)

    def _type(self, before: Types, after: Types, place: Place, where: Where) -> None:
        if where.role == "parameter":
            enums = filter(self.new_types.is_enum, before)
            kind = "parameter-type-widened" if accepts(before, after, enums) else "parameter-type-narrowed"
        elif where.role == "response":
            is_narrower = after <= before or (before == ANY and after <= where.returned)
            is_narrower = is_narrower and not is_missed(before, where.returned, where.returns)
            kind = "response-type-narrowed" if is_narrower else "response-type-changed"
        else:
            kind = "header-changed" if where.role == "header" else "field-type-changed"
        self._add(kind, where, place, detail=becomes(shown(before), shown(after)))

    def contents(self, old: Node, new: Node, where: Where) -> None:
        """Compare two schemas that have the same type."""
        self._values(old, new, where)
        self._fields(old, new, where)
        self._additional(old, new, where)
        if isinstance(old.object.get("items"), dict) and isinstance(new.object.get("items"), dict):
            self.compare(
                old.get("items"), new.get("items"), where.inside(f"items of {where.subject}", f"{where.name} item")
            )
        self._variants(old, new, where)
        self._limits(old, new, where)
        if old.object.get("default") != new.object.get("default"):
            detail = becomes(*(_or_nothing(it.object.get("default")) for it in (old, new)))
            default = replace(where, subject=f"default of {where.subject}")
            self._add("default-changed", default, (*new.place, "default"), detail=detail)
        self._rest(old, new, where)

    def _values(self, old: Node, new: Node, where: Where) -> None:
        before, after = (it.get("enum").entries() for it in (old, new))
        for entries, others, kind in ((before, after, "value-removed"), (after, before, self._added_value(where))):
            for entry in entries:
                if all(canonical(entry.value) != canonical(other.value) for other in others):
                    self._add(
                        kind, replace(where, subject=f"value {entry.value} of {_bare(where.subject)}"), entry.place
                    )

        names = members(old.object), members(new.object)
        for entry in after:
            one, other = (it.get(canonical(entry.value)) for it in names)
            if one and one != other:
                subject = f"value {entry.value} of {_bare(where.subject)}"
                detail = becomes(one, other)
                self._add("value-member-renamed", replace(where, subject=subject), entry.place, detail=detail)

    def _added_value(self, where: Where) -> str:
        if where.direction == "request":
            return "value-added"
        return "value-added-closed" if where.is_closed else "value-added-open"

    def _fields(self, old: Node, new: Node, where: Where) -> None:
        before, after = self.old.properties(old), self.new.properties(new)
        names = attributes(before), attributes(after)
        for name, it in after.items():
            one, other = (names[0].get(name), names[1].get(name, "none of its own"))
            if name in before and one is not None and one != other:
                self._add("field-attribute-renamed", where.of_field(name), it.node.place, detail=becomes(one, other))
        for name, it in before.items():
            if name not in after:
                self._add("field-removed", where.of_field(name), it.node.place)
        for name, it in after.items():
            if name not in before:
                kind = "field-required-added" if _must_be_given(self.new, it) else "field-added"
                self._add(kind, where.of_field(name), it.node.place)
            else:
                self._field(before[name], it, where.of_field(name))

    def _field(self, old: Property, new: Property, where: Where) -> None:
        if old.owner and self.renamed.get(old.owner, old.owner) == new.owner:
            return  # it is compared as a field of that component
        was, is_now = _must_be_given(self.old, old), _must_be_given(self.new, new)
        if old.is_required != new.is_required or was != is_now:
            self._add("field-required" if new.is_required else "field-optional", where, new.node.place)
        self.compare(old.node, new.node, where)

    def _additional(self, old: Node, new: Node, where: Where) -> None:
        before, after = (it.object.get("additionalProperties", True) for it in (old, new))
        if not self._is_object(new) or canonical(before) == canonical(after):
            return
        where = replace(where, subject=f"additional properties of {_bare(where.subject)}")
        place = (*new.place, "additionalProperties")
        if after is False:
            self._add("additional-properties-closed", where, place)
        elif before is False:
            self._add("additional-properties-opened", where, place)
        else:
            types = (reader.types(it.get("additionalProperties"), "additional property", where.name)
                     for reader, it in ((self.old_types, old), (self.new_types, new)))  # fmt: skip
            first, second = types
            if first != second:
                self._add("additional-properties-changed", where, place, detail=becomes(shown(first), shown(second)))
            elif isinstance(before, dict) and isinstance(after, dict):
                self.compare(old.get("additionalProperties"), new.get("additionalProperties"), where)

    def _is_object(self, node: Node) -> bool:
        return node.object.get("type") == "object" or bool(node.object.keys() & {"properties", "allOf"})

    def _variants(self, old: Node, new: Node, where: Where) -> None:
        is_closed = where.is_closed and not is_open(new.object)
        known = {self.old_types.types(it, where.name, where.parent): it for it in variants_of(old)}
        for entry in variants_of(new):
            if before := known.get(self.new_types.types(entry, where.name, where.parent)):
                self.compare(before, entry, replace(where, is_closed=is_closed))

    def _limits(self, old: Node, new: Node, where: Where) -> None:
        for key in (*_UPPER, *_LOWER, *_OTHER_LIMITS):
            # A list or a text has no fewer items than none.
            before, after = (None if key in _COUNTS and it.object.get(key) == 0 else it.object.get(key)
                             for it in (old, new))  # fmt: skip
            if before != after:
                kind = "limit-tightened" if _is_tighter(key, before, after) else "limit-loosened"
                self._add("limit-unchecked" if where.direction == "response" else kind,
                          replace(where, subject=f"{key} of {where.subject}"), (*new.place, key),
                          detail=becomes(_or_nothing(before), _or_nothing(after)))  # fmt: skip

    def _rest(self, old: Node, new: Node, where: Where) -> None:
        """Compare the keywords that change no type: descriptions, extensions, and those that the generator ignores."""
        if bool(old.ref) != bool(new.ref):
            return
        has_same_types = canonical(_kinds(old.object)) == canonical(_kinds(new.object))
        self.keywords(old, new, where, but=_COMPARED | {"type"} if has_same_types else _COMPARED)
        for one, other in zip(_inline_parts(old), _inline_parts(new), strict=False):
            self._rest(one, other, where)

    def keywords(self, old: Node, new: Node, where: Where, *, but: Iterable[str]) -> None:
        """Add the changes of all keywords without further meaning, except some."""
        for key in changed_keys(old, new, but=but):
            self.keyword(key, where, (*new.place, key), is_set=new.object.get(key) is True)

    def keyword(self, key: str, where: Where, place: Place, *, is_set: bool) -> None:
        """Add a change of a keyword without further meaning."""
        if key == "deprecated":
            self._add("deprecated" if is_set else "undeprecated", where, place)
            return
        kind = "extension-changed" if key.startswith("x-") else "keyword-changed"
        kind = "description-changed" if key in PROSE else kind
        self._add(kind, replace(where, subject=f"{key} of {where.subject}"), place)

    def component(self, old: Node, new: Node, where: Where) -> None:
        """Compare two components of the same name, or of which one has taken the place of the other."""
        if is_same(old.value, new.value) and old.place == new.place:
            return
        is_class = self.old_types.makes_class(old), self.new_types.makes_class(new)
        names = str(old.place[-1]), str(new.place[-1])
        if is_class == (True, True):
            classes = [*map(class_name, names)]
            if classes[0] != classes[1]:
                self._add("component-renamed", where, new.place, detail=becomes(*classes))
            elif names[0] != names[1]:
                self._add("component-respelled", where, new.place, detail=becomes(*names))
            if bool(old.object.get("enum")) != bool(new.object.get("enum")):
                self._add("field-type-changed", where, new.place, detail="an enum → an object, or the reverse")
            else:
                self.contents(old, new, where)
        elif is_class == (False, False):
            self.compare(old, new, where)
        else:
            kinds = ("a class" if it else "a plain type" for it in is_class)
            self._add("field-type-changed", where, new.place, detail=becomes(*kinds))
            self._rest(old, new, where)

    def _add(self, kind: str, where: Where, place: Place, *, detail: str = "") -> None:
        self.changes.add(kind, where.subject, place, detail=detail, direction=where.direction, used_in=where.used_in)


def is_missed(gone: Types, returned: Types, returns: Types) -> bool:
    """Return whether programs that annotate a result break without some of its types.

    `Response[…]` is invariant. `Any` fits everywhere, unless it takes the place of a type; and an operation that
    returns nothing else has no `sync`.
    """
    return bool(gone - returns - ANY) and not ("Any" in returned and "Any" in returns and returns != ANY)


def _like(old: Node, new: Node, *keys: str) -> Node:
    """Return the old schema with some of the new keywords, which have been compared already."""
    same: JsonObject = {key: value for key, value in new.object.items() if key in keys}
    return Node({key: value for key, value in old.object.items() if key not in keys} | same, old.place)


def _must_be_given(api: Api, field: Property) -> bool:
    return field.is_required and api.follow(field.node).object.get("default") is None


def _is_tighter(key: str, before: Json, after: Json) -> bool:
    if after is None or after is False:
        return False
    if isinstance(before, int | float) and isinstance(after, int | float) and key in _UPPER + _LOWER:
        return after < before if key in _UPPER else after > before
    return True


def _inline_parts(node: Node) -> Iterator[Node]:
    return (entry for entry in node.get("allOf").entries() if not entry.ref)


def _kinds(schema: JsonObject) -> Json:
    """Return the types of a schema, in any order; what has properties is an object."""
    kinds = schema.get("type", "object" if schema.keys() & {"properties", "allOf"} else None)
    return [*sorted(map(str, kinds))] if isinstance(kinds, list) else kinds


def _bare(subject: str) -> str:
    return subject.removeprefix("component ")


def _or_nothing(value: Json) -> str:
    return "nothing" if value is None else str(value)


def is_same(one: Json, other: Json) -> bool:
    """Return whether two values are equal; 1, true and 1.0 differ."""
    return one == other and canonical(one) == canonical(other)
