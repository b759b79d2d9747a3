"""What the facade relies on in the API's description, and where a document does not give it.

The tables below state what the code does not; `facade_source` takes the rest from the code. Parts that do no harm are
not looked at: further operations, and optional parameters, fields, states and statuses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spec.comparing.class_numbers import numbered_classes
from spec.comparing.member_names import keywords
from spec.documents import JsonObject, Place, pointer
from spec.facade import answers as facade_answers
from spec.facade.source import FacadeSource, read_facade
from spec.facade.table import EXPORTED, FORMS, OPERATIONS, WORDS, Operation, Query
from spec.facade.view import View
from spec.facade.violations import Violation as Violation  # noqa: PLC0414 - part of this module's interface
from spec.facade.violations import listed, violation
from spec.python_names import identifier


def violations(document: JsonObject, *, facade: FacadeSource | None = None) -> list[Violation]:
    """Compare a document with what the facade relies on.

    Args:
        document: The merged and corrected description, as in `openapi/agency-api.json`.
        facade: What the facade's source says; by default, that of this tree.

    Returns:
        The violations; none if the facade works with the document.
    """
    contract = _Contract(View(document), facade or read_facade())
    # Several operations refer to one schema.
    return list(dict.fromkeys([*contract.server(), *contract.operations(), *contract.classes()]))


@dataclass(frozen=True)
class _Contract:
    view: View
    facade: FacadeSource

    def server(self) -> Iterator[Violation]:
        urls = [str(self.view.object(place).get("url")).rstrip("/") for place in self.view.places(("servers",))]
        if urls and self.facade.base_url not in urls:
            relies = f"sends its requests to {self.facade.base_url}"
            yield violation(("servers",), relies=relies, says=f"names {listed(urls)}", file="_account.py")

    def operations(self) -> Iterator[Violation]:
        for operation in OPERATIONS:
            place = self._find(operation)
            if place is None:
                says = "has neither that name nor that path"
                yield violation(("paths",), relies=f"calls {operation}", says=says, file=operation.file)
                continue
            yield from self._name(operation, place)
            yield from self._parameters(operation, place)
            yield from self._credentials(operation, place)
            yield from facade_answers.check(self.view, self.facade, operation, (*place, "responses"))

    def classes(self) -> Iterator[Violation]:
        numbered = numbered_classes(self.view.document)
        of_parameters = {operation.class_of(query) for operation in OPERATIONS for query in operation.query}
        for module, names in self.facade.imports.items():
            for name in sorted(names - of_parameters) if ".models" in module else ():
                yield from self._class(name, numbered)

    def _find(self, operation: Operation) -> Place | None:
        """Return an operation's place: by its name, or else by its method and path."""
        paths = [(path, self.view.object(("paths", path))) for path in self.view.object(("paths",))]
        places: list[tuple[str, str, str]] = [("paths", path, method) for path, item in paths for method in item]
        named = [place for place in places if self._module(place) == operation.module]
        routed = [place for place in places if operation.is_at(place[2], place[1])]
        return next(iter(named + routed), None)

    def _module(self, place: Place) -> str:
        return identifier(str(self.view.object(place).get("operationId")))

    def _name(self, operation: Operation, place: Place) -> Iterator[Violation]:
        _, path, method = map(str, place)
        if self._module(place) != operation.module:
            relies, says = f"calls {operation}", f"names it {self.view.object(place).get('operationId')}"
            yield violation((*place, "operationId"), relies=relies, says=says, file=operation.file)
        if not operation.is_at(method, path):
            relies, says = f"calls {operation}", f"has it as {method.upper()} {path}"
            yield violation(place, relies=relies, says=says, file=operation.file)
        tag = self.view.at((*place, "tags", 0)) or "default"
        if str(tag).lower() != operation.tag.lower():
            relies = f"imports {operation.name} from the generated package of the tag {operation.tag}"
            yield violation((*place, "tags"), relies=relies, says=f"tags it {tag}", file=operation.file)

    def _parameters(self, operation: Operation, place: Place) -> Iterator[Violation]:
        declared = self._declared(place)
        in_path = [part.strip("{}") for part in str(place[1]).split("/") if part.startswith("{")]
        for name, form in zip(in_path, operation.path_forms, strict=False):
            if parameter := declared.pop(("path", name), None):
                yield from self._sent(operation, name, parameter, form)
        required = {key: self.view.object(it).get("required") is True for key, it in declared.items()}
        for query in operation.query:
            keyword = keywords(required).get(("query", query.name), identifier(query.name))
            if keyword != identifier(query.name) and not query.is_own:
                relies = f"passes {identifier(query.name)} to {operation.name}"
                says = f"makes it {keyword}, because another parameter has that name in Python"
                yield violation((*place, "parameters"), relies=relies, says=says, file=operation.file)
            yield from self._query(operation, query, place, declared)
        for (location, name), parameter in declared.items():
            if self.view.object(parameter).get("required") is True:
                relies = f"calls {operation.name} without the {location} parameter {name}"
                yield violation(parameter, relies=relies, says="requires it", file=operation.file)
        body = self.view.follow((*place, "requestBody"))
        if self.view.object(body).get("required") is True:
            relies = f"calls {operation.name} without a body"
            yield violation(body, relies=relies, says="requires one", file=operation.file)

    def _declared(self, place: Place) -> dict[tuple[str, str], Place]:
        """Return the parameters of the path and of the operation by location and name."""
        entries = self.view.places((*place[:-1], "parameters")) + self.view.places((*place, "parameters"))
        found = [(self.view.object(parameter), parameter) for parameter in map(self.view.follow, entries)]
        return {(str(described.get("in")), str(described.get("name"))): parameter for described, parameter in found}

    def _query(
        self, operation: Operation, query: Query, place: Place, declared: dict[tuple[str, str], Place]
    ) -> Iterator[Violation]:
        relies = f"sends {query.name} in the query of {operation.name}"
        location = next((location for location, name in declared if name == query.name), None)
        if location is None:
            says = "has no such parameter"
            yield violation((*place, "parameters"), relies=relies, says=says, file=operation.file)
            return
        parameter = declared.pop((location, query.name))
        if location != "query":
            says = f"has it in the {location}"
            yield violation((*parameter, "in"), relies=relies, says=says, file=operation.file)
        if self.view.object(parameter).get("required") is True:
            relies = f"calls {operation.name} without {query.name} unless it is needed"
            yield violation((*parameter, "required"), relies=relies, says="requires it", file=operation.file)
        if query.values:
            yield from self._choice(operation, query, (*parameter, "schema"))
        else:
            yield from self._sent(operation, query.name, parameter, query.form)

    def _sent(self, operation: Operation, name: str, parameter: Place, form: str | None) -> Iterator[Violation]:
        """Check the type of a parameter that is sent as text of some format."""
        schema = (*parameter, "schema")
        relies = f"sends {FORMS[form]} as {name} to {operation.name}"
        types, formats = self.view.types(schema), self.view.formats(schema)
        if types and "string" not in types:
            says = f"takes {listed(WORDS.get(each, each) for each in sorted(types))} there"
            yield violation(schema, relies=relies, says=says, file=operation.file)
        elif not formats & {form, None}:
            says = f"takes {listed(sorted(FORMS.get(each, f'text of the format {each}') for each in formats))} there"
            yield violation(schema, relies=relies, says=says, file=operation.file)

    def _choice(self, operation: Operation, query: Query, schema: Place) -> Iterator[Violation]:
        """Check a parameter whose values are members of a generated class."""
        values, target = self.view.values(schema), self.view.follow(schema)
        if missing := [value for value in query.values if value not in values]:
            relies = f"sends {query.name}={missing[0]} to {operation.name}"
            says = f"lists {listed(values)}" if values else "lists no values"
            yield violation(schema, relies=relies, says=f"{says} there", file=operation.file)
            return
        inline = operation.class_of(query)
        if target != schema and (made := str(target[-1])) != inline:
            relies = f"imports {inline}, the generated class of the parameter {query.name}"
            yield violation(schema, relies=relies, says=f"makes it {made}", file=operation.file)

    def _credentials(self, operation: Operation, place: Place) -> Iterator[Violation]:
        own = (*place, "security")
        required = own if self.view.at(own) is not None else ("security",)
        offers = [list(self.view.object(each)) for each in self.view.places(required)]
        # Whether nothing is required, or else one Basic scheme alone is enough.
        if all(offers) and offers and not any(len(offer) == 1 and self._is_basic(offer[0]) for offer in offers):
            relies = f"sends HTTP Basic to {operation.name}"
            says = f"requires {listed(' with '.join(map(self._scheme, offer)) for offer in offers)}"
            yield violation(required, relies=relies, says=says, file="_account.py")

    def _is_basic(self, name: str) -> bool:
        return self._scheme(name) == "http basic"

    def _scheme(self, name: str) -> str:
        scheme = self.view.object(("components", "securitySchemes", name))
        return " ".join(str(scheme[key]).lower() for key in ("type", "scheme") if key in scheme) or name

    def _class(self, name: str, numbered: Mapping[str, str]) -> Iterator[Violation]:
        place = ("components", "schemas", name)
        relies = f"imports the generated class {name}"
        if self.view.at(place) is None:
            yield violation(place[:-1], relies=relies, says="has no schema of that name", file="models.py")
            return
        if (made := numbered.get(pointer(*place), name)) != name:
            says = f"makes it {made}, because another class has that name"
            yield violation(place, relies=relies, says=says, file="models.py")
        values = self.view.values(place)
        exported = EXPORTED.get(name, frozenset())
        named = self.facade.members.get(name, frozenset()) - {value.upper() for value in exported}
        needed = named | exported
        if needed and not values:
            yield violation(place, relies=f"relies on the values of {name}", says="lists none there", file="models.py")
        for value in sorted(needed.intersection(map(str, values))):
            # The generator gives the name to the first value that has it.
            first = next(str(each) for each in values if str(each).upper() == value.upper())
            if first != value:
                relies = f"relies on {value} in {name}"
                says = f"lists {first} before it, which takes the name of its member"
                yield violation(place, relies=relies, says=says, file="models.py")
        for value in sorted(needed.difference(map(str, values))) if values else ():
            relies, says = f"relies on {value} in {name}", f"lists {listed(values)} there"
            yield violation(place, relies=relies, says=says, file="models.py")
