"""What a schema is part of, in the words of the API: the context in which two schemas are compared."""

from dataclasses import dataclass, replace
from typing import Literal

from spec.comparing.change import Direction
from spec.comparing.python_types import Types, class_in

Role = Literal["parameter", "field", "response", "header"]


@dataclass(frozen=True)
class Where:
    """What a schema is part of.

    Attributes:
        subject: Its name in the words of the API.
        name: What a class of its own is called.
        parent: What the name of such a class begins with.
        role: Whether it is the type of a parameter or body, of a field, of a response or of a header.
        direction: Whether requests, responses or both contain it.
        used_in: The operations that use it.
        is_closed: Whether it is in a response and allows no other string beside the values of an enum.
        returned: The types that the operation returned before, if it is the type of a response.
        returns: The types that it returns now.
    """

    subject: str
    name: str
    parent: str
    role: Role
    direction: Direction
    used_in: tuple[str, ...] = ()
    is_closed: bool = False
    returned: Types = frozenset()
    returns: Types = frozenset()

    def inside(self, subject: str, name: str) -> "Where":
        """Return the same for a part that is no field, such as the items of a list."""
        return replace(self, subject=subject, name=name)

    def of_field(self, name: str) -> "Where":
        """Return the same for a field."""
        kind, _, rest = self.subject.partition(" ")
        parent = class_in(self.parent, self.name)
        is_path = kind in ("field", "component")
        subject = f"field {rest}.{name}" if is_path else f"field {name} of {self.subject}"
        return replace(
            self, subject=subject, name=name, parent=parent, role="field", is_closed=self.direction != "request"
        )
