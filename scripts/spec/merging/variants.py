"""Find out which definitions of a name mean the same, across documents that were published one by one."""

from collections.abc import Collection, Mapping, Sequence

from spec.documents import canonical
from spec.merging.parts import Id, Key, Part, comparable, mentions


def classify(
    parts: Mapping[Key, Sequence[Part]],
    groups: Sequence[str],
    *,
    united: Mapping[Key, Collection[int]] | None = None,
) -> dict[Id, int]:
    """Number the definitions of each name so that two have the same number if and only if they mean the same.

    They mean the same if they are equal up to the order of keys and descriptions, and so are, in turn, all parts that
    they refer to, each in its own document. A part that refers to a part that differs, differs.

    Args:
        parts: The definitions of each name.
        groups: The group of each document; a part that a document does not define is taken from its group.
        united: Definitions, by their documents, that a decision makes one, although they differ.
    """
    united = united or {}
    shared = {key: members for key, members in parts.items() if len(members) > 1}
    nearest = Nearest(shared, groups)
    plain: dict[str, str] = {}
    targets: dict[str, list[Key]] = {}
    numbers: dict[Id, int] = {}
    edges: dict[Id, list[Id]] = {}
    known = _Numbers()
    for key, members in shared.items():
        for part in members:
            me = (part.index, key)
            if part.text not in plain:
                plain[part.text] = canonical(comparable(part))
                targets[part.text] = [found for found in mentions(part.value, part.kind) if found in shared]
            is_united = part.index in united.get(key, ())
            numbers[me] = known(key, is_united or plain[part.text])
            edges[me] = [] if is_united else [nearest(part.index, found) for found in targets[part.text]]
    count = len(set(numbers.values()))
    while True:
        known = _Numbers()
        numbers = {me: known(number, *(numbers[to] for to in edges[me])) for me, number in numbers.items()}
        if len(known.numbers) == count:
            return numbers
        count = len(known.numbers)


class Nearest:
    """Finds the definition that a document means by a name.

    That is its own; if it has none, the first one of its group; if there is none, the first one of all.
    """

    def __init__(self, parts: Mapping[Key, Sequence[Part]], groups: Sequence[str]) -> None:
        self._groups = groups
        self._own = {(part.index, key) for key, members in parts.items() for part in members}
        self._in_group: dict[tuple[str, Key], int] = {}
        self._first = {key: members[0].index for key, members in parts.items()}
        for key, members in parts.items():
            for part in members:
                self._in_group.setdefault((groups[part.index], key), part.index)

    def __call__(self, index: int, key: Key) -> Id:
        """Return the definition of a name, which has one, that a document means."""
        if (index, key) in self._own:
            return index, key
        return self._in_group.get((self._groups[index], key), self._first[key]), key


class _Numbers:
    """Gives equal values equal numbers."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[object, ...], int] = {}

    def __call__(self, *value: object) -> int:
        return self.numbers.setdefault(value, len(self.numbers))
