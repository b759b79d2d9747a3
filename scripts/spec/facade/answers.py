"""The part of the facade's contract about responses: their statuses, their bodies, and the fields of a job."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spec.documents import Place
from spec.facade.source import FacadeSource
from spec.facade.table import ALWAYS_DUE, OPEN_FIELDS, READABLE, WORDS, Operation
from spec.facade.view import View
from spec.facade.violations import Violation, listed, violation

_RESPONSES, _PARSING, _SOURCE = "_api/responses.py", "_api/parsing.py", "_download/source.py"


def check(view: View, facade: FacadeSource, operation: Operation, responses: Place) -> Iterator[Violation]:
    """Compare an operation's responses with what the facade reads."""
    answers = _Answers(view, facade, operation, responses)
    yield from answers.result() if operation.answer == "result" else answers.success()
    yield from answers.errors()


@dataclass(frozen=True)
class _Answers:
    view: View
    facade: FacadeSource
    operation: Operation
    responses: Place

    def success(self) -> Iterator[Violation]:
        statuses = sorted(self.facade.scheduled) if self.operation.answer == "scheduled" else [200]
        yield from self._due(statuses, _RESPONSES)
        for response in self._present(statuses):
            yield from self._body(response)

    def result(self) -> Iterator[Violation]:
        redirects = sorted(self.facade.redirects)
        for statuses in ([200], [202], redirects):
            yield from self._due(statuses, _SOURCE)
        for response in self._present(redirects):
            if "location" not in map(str.lower, self.view.object((*response, "headers"))):
                relies = f"follows the header Location of a {response[-1]} of {self.operation.name}"
                yield violation(response, relies=relies, says="has no such header", file=_SOURCE)
        for response in self._present([202]):
            yield from self._body(response)
        for response in self._present([200]):
            for media_type in self.view.object((*response, "content")):
                schema = (*response, "content", media_type, "schema")
                types = self.view.types(schema)
                if types and "string" not in types:
                    relies = f"saves the bytes of a 200 of {self.operation.name}"
                    says = f"has {_words(types)} as {media_type} there"
                    yield violation(schema, relies=relies, says=says, file=_SOURCE)

    def errors(self) -> Iterator[Violation]:
        for status in (*ALWAYS_DUE, *((404,) if "{JobId}" in self.operation.path else ())):
            yield from self._due([status], _RESPONSES)
        for response in self._present(sorted(self.facade.errors)):
            if self.view.object((*response, "content")):
                relies = f"takes any body with a {response[-1]} of {self.operation.name}"
                says = "describes one, which generated code would read into a gateway's page"
                yield violation((*response, "content"), relies=relies, says=says, file=_RESPONSES)

    def _present(self, statuses: Iterable[int]) -> list[Place]:
        """Return the places of the responses with these statuses."""
        names = [str(status) for status in statuses if str(status) in self.view.object(self.responses)]
        return [self.view.follow((*self.responses, name)) for name in names]

    def _due(self, statuses: list[int], file: str) -> Iterator[Violation]:
        if not self._present(statuses):
            relies = f"handles a {listed(statuses)} of {self.operation.name}"
            says = f"lists {listed(self.view.object(self.responses) or ['no responses'])} there"
            yield violation(self.responses, relies=relies, says=says, file=file)

    def _body(self, response: Place) -> Iterator[Violation]:
        """Check a success whose body is JSON."""
        content = self.view.object((*response, "content"))
        what = f"a {response[-1]} of {self.operation.name}"
        media_type = next((name for name in content if "json" in name), None)
        if media_type is None:
            says = f"has {listed(content) if content else 'no body'} there"
            yield violation(response, relies=f"reads JSON from {what}", says=says, file=_RESPONSES)
            return
        schema = (*response, "content", media_type, "schema")
        if self.operation.answer == "json":
            return
        if self.operation.answer == "jobs":
            items = self._items(schema)
            if items is None:
                relies = f"reads an array of jobs, or an object with one called Jobs, from {what}"
                says = f"has {self._said(schema)} there"
                yield violation(schema, relies=relies, says=says, file=_RESPONSES)
                return
            schema = items
        yield from self._job(schema, what)

    def _items(self, schema: Place) -> Place | None:
        """Return the place of the schema of a list's jobs, in a bare array or in an object with a field called Jobs."""
        place = self.view.follow(schema)
        types = self.view.types(place)
        if "array" in types:
            return (*place, "items")
        named = [field for name, field in self.view.properties(place).items() if name.lower() == "jobs"]
        return (*self.view.follow(named[0]), "items") if named and "array" in self.view.types(named[0]) else None

    def _job(self, schema: Place, what: str) -> Iterator[Violation]:
        place, fields = self.view.follow(schema), self.view.properties(schema)
        types = self.view.types(schema)
        if types and "object" not in types:
            says = f"has {_words(types)} there"
            yield violation(schema, relies=f"reads a job from {what}", says=says, file=_RESPONSES)
            return
        if self.operation.answer == "scheduled" and "Id" not in fields and fields.keys() & {*self.facade.uris}:
            return  # the id is in a URI then, and no other field is needed
        for name in sorted(self.facade.strict_fields):
            yield from self._field(name, fields, place, ("text", {"string"}))
        for name, converter in self.facade.fields.items():
            read_as, readable = READABLE[converter]
            yield from self._field(name, fields, place, (read_as, readable | {"null"}))

    def _field(
        self, name: str, fields: dict[str, Place], job: Place, readable: tuple[str, set[str]]
    ) -> Iterator[Violation]:
        if name not in fields:
            says = "has no such field" if fields else "describes no fields"
            yield violation((*job, "properties"), relies=f"reads {name} of a job", says=says, file=_PARSING)
            return
        field, relies, (read_as, types) = fields[name], f"reads {name} of a job", readable
        if unreadable := self.view.types(field) - types:
            says = f"has {_words(unreadable)} there"
            yield violation(field, relies=f"{relies} as {read_as}", says=says, file=_PARSING)
        elif name == "Id" and "uuid" not in self.view.formats(field):
            yield violation(field, relies=f"{relies} as a UUID", says="has any text there", file=_PARSING)
        elif name in OPEN_FIELDS and not self.view.is_open(field):
            says = "limits it to the values that it lists"
            yield violation(field, relies=f"{relies} even if its value is a new one", says=says, file=_PARSING)

    def _said(self, schema: Place) -> str:
        fields = self.view.properties(schema)
        return f"an object with {listed(fields)}" if fields else _words(self.view.types(schema))


def _words(types: Iterable[str]) -> str:
    return listed([WORDS.get(name, name) for name in sorted(types)] or ["anything"])
