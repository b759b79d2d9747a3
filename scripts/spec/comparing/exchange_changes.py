"""Compare what an operation sends and returns: bodies, responses, their content types and headers."""

from dataclasses import dataclass

from spec.comparing.api import Api, Node, Operation
from spec.comparing.change import Direction, becomes
from spec.comparing.contents import chosen_content, is_form, is_json, must_be_given, reading, sent_contents
from spec.comparing.python_types import ANY, body_parent, shown
from spec.comparing.schema_changes import SchemaComparison, is_missed, is_same
from spec.comparing.where import Where
from spec.documents import Place


@dataclass(frozen=True)
class ExchangeComparison:
    """Compares the bodies and the responses of an operation before and after.

    Attributes:
        schemas: Compares the schemas in them.
        before: The operation in the old document.
        after: The operation in the new one.
    """

    schemas: SchemaComparison
    before: Operation
    after: Operation

    def compare(self) -> None:
        """Compare both."""
        self._body()
        self._responses()

    def _add(self, kind: str, subject: str, place: Place, detail: str = "", direction: Direction = "both") -> None:
        used_in = (self.after.id,)
        self.schemas.changes.add(kind, subject, place, detail=detail, direction=direction, used_in=used_in)

    def _sides(self) -> tuple[tuple[Api, Operation], tuple[Api, Operation]]:
        return (self.schemas.old, self.before), (self.schemas.new, self.after)

    def _body(self) -> None:
        old, new = (api.follow(it.node.get("requestBody")) for api, it in self._sides())
        subject = f"body of {self.after.id}"
        given = must_be_given(self.schemas.old, old), must_be_given(self.schemas.new, new)
        was, is_now = (it.object.get("required") is True for it in (old, new))
        if not old.object or not new.object:
            if new.object:
                self._add("body-required-added" if is_now else "body-added", subject, new.place, direction="request")
            elif old.object:
                self._add("body-removed", subject, old.place, direction="request")
            return
        if was != is_now or given == (False, True):
            kind = "body-required" if (is_now and not was) or given == (False, True) else "body-optional"
            self._add(kind, subject, (*new.place, "required"), direction="request")
        self._contents_of_body(old, new, subject)
        self._prose(old, new, subject)

    def _contents_of_body(self, old: Node, new: Node, subject: str) -> None:
        contents = old.get("content").members(), new.get("content").members()
        sent = sent_contents(self.schemas.old, old), sent_contents(self.schemas.new, new)
        for content_type in (it for it in contents[0] if it not in contents[1]):
            kind = "body-type-removed" if content_type in sent[0] else "body-type-unsent"
            self._add(kind, subject, contents[0][content_type].place, content_type, "request")
        for content_type in (it for it in contents[1] if it not in contents[0]):
            self._add("body-type-added", subject, contents[1][content_type].place, content_type, "request")
        self._classes_of_body(sent, contents, subject)
        for content_type in sorted(contents[0].keys() & contents[1].keys()):
            parent = body_parent(self.after.id, content_type, len(sent[1]))
            where = Where(subject, "body", parent, "parameter", "request", (self.after.id,))
            if is_json(content_type) or is_form(content_type):
                self._media(contents[0][content_type], contents[1][content_type], where)
            else:
                self._unparsed(contents[0][content_type], contents[1][content_type], where)

    def _classes_of_body(
        self, sent: tuple[dict[str, Node], dict[str, Node]], contents: tuple[dict[str, Node], dict[str, Node]],
        subject: str,
    ) -> None:  # fmt: skip
        """Find types that the argument does not accept any more, although the server accepts the body as before."""
        before, after = (
            {kind: reader.types(it.get("schema"), "body", body_parent(self.after.id, kind, len(its)))
             if is_json(kind) or is_form(kind) else frozenset({"File"})
             for kind, it in its.items()}
            for reader, its in zip((self.schemas.old_types, self.schemas.new_types), sent, strict=True)
        )  # fmt: skip
        accepted = frozenset[str]().union(*after.values())
        for kind in sorted(before.keys() & contents[1].keys()):
            is_renamed = kind in after and (len(before) > 1) != (len(after) > 1)
            if (is_renamed or kind not in after) and not before[kind] <= accepted:
                detail = becomes(shown(before[kind]), shown(accepted))
                self._add("body-type-replaced", subject, contents[1][kind].place, detail, "request")

    def _media(self, old: Node, new: Node, where: Where) -> None:
        self.schemas.keywords(old, new, where, but={"schema"})
        self.schemas.compare(old.get("schema"), new.get("schema"), where)

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
                lost = is_missed(returned[status], everything, remaining)
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
        kinds = reading(self.schemas.old, before), reading(self.schemas.new, after)
        if kinds[0] != kinds[1] and old.get("content").object and new.get("content").object:
            self._other_content(before, after, where)
        else:
            self._unread_content(old, new, where)
            nothing = Node(None, new.place)
            if kinds in (("text", "text"), ("bytes", "bytes")):
                self._unparsed(before or nothing, after or nothing, where)
            else:
                self._media(before or nothing, after or nothing, where)
        self._headers(old, new, where)
        self._prose(old, new, where.subject)

    def _unparsed(self, old: Node, new: Node, where: Where) -> None:
        """Compare contents that are one text or one file to generated code, which does not look at their schema."""
        self.schemas.keywords(old, new, where, but={"schema"})
        one, other = self.schemas.old.follow(old.get("schema")), self.schemas.new.follow(new.get("schema"))
        self.schemas.keywords(one, other, where, but=())

    def _other_content(self, before: Node | None, after: Node | None, where: Where) -> None:
        readers = self.schemas.old_types, self.schemas.new_types
        texts = []
        for node, reader in zip((before, after), readers, strict=True):
            types = shown(reader.types_of_content(node, where.name, where.parent))
            texts.append(f"{node.place[-1]}, {types}" if node else "none")
        node = after or before
        place = node.place if node else ()
        self._add("content-type-changed", f"content of {where.subject}", place, becomes(*texts), "response")

    def _unread_content(self, old: Node, new: Node, where: Where) -> None:
        before, after = old.get("content").members(), new.get("content").members()
        for content_type in sorted(before.keys() & after.keys()):
            is_read = after[content_type] == chosen_content(new)
            if not is_read and not is_same(before[content_type].value, after[content_type].value):
                subject = f"content {content_type} of {where.subject}"
                self._add("keyword-changed", subject, after[content_type].place, direction="response")
        if not (before and after):
            return
        chosen = chosen_content(old), chosen_content(new)
        names = tuple(str(media.place[-1]) if media else "" for media in chosen)
        if names[0] != names[1] and names[0] not in after and names[1] not in before:
            place = chosen[1].place if chosen[1] else new.place
            self._add("content-type-respelled", f"content of {where.subject}", place, becomes(*names), "response")
            before, after = ({name: it for name, it in its.items() if name not in names} for its in (before, after))
        for kind, its, others in (("content-type-removed", before, after), ("content-type-added", after, before)):
            for content_type in (it for it in its if it not in others):
                subject = f"content type {content_type} of {where.subject}"
                self._add(kind, subject, its[content_type].place, direction="response")

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
            self.schemas.keywords(one, other, inside, but={"schema"})
            self.schemas.compare(one.get("schema"), other.get("schema"), inside)

    def _prose(self, old: Node, new: Node, subject: str) -> None:
        where = Where(subject, "", "", "field", "both", (self.after.id,))
        self.schemas.keywords(old, new, where, but={"content", "headers", "required", "$ref"})


def _is_success(status: str) -> bool:
    return status[:1] in ("2", "3")
