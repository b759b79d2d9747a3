"""What the generator complains about, as problems of the document with their lines."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from spec.documents import Json, JsonObject, Problem
from spec.places import Place, object_of, place_of

Locate: TypeAlias = Callable[[Place], tuple[str, int]]

_OPERATION = re.compile(r"WARNING parsing ([A-Z]+) (/\S*) within \S+\.")
_SCHEMA = re.compile(r"#/components/schemas/([^\"/]+)")
_UNFIXED = "Could not find reference in parsed models or enums"


def problems_of(complaints: Iterable[Mapping[str, str | None]], document: JsonObject, locate: Locate) -> list[Problem]:
    """Return a problem for each part of a document that the generator would leave out.

    Args:
        complaints: What the generator printed.
        document: The document.
        locate: Gives the file and the line of a place of the document.
    """
    found: list[Problem] = []
    explained: set[str] = set()
    operations = dict(_operations(document))
    for complaint in sorted(complaints, key=lambda one: bool(_OPERATION.match(one["header"] or ""))):
        header, detail = str(complaint["header"]), " ".join(str(complaint["detail"]).split())
        if match := _OPERATION.match(header):
            name = operations.get((match[1].lower(), match[2]), "")
            if name in explained and _UNFIXED in detail:
                continue
            place = ("paths", match[2], match[1].lower())
            reason = f"the generator can't express {match[1]} {match[2]}: {detail}"
            found.append(Problem(*locate(place), reason, _advice([name], detail)))
        else:
            place = place_of(complaint["place"] or "") or _named(header, document)
            users = sorted(_users(document, place, operations))
            explained.update(users)
            reason = f"the generator can't express {'/'.join(map(str, place))}: {detail or header}"
            found.append(Problem(*locate(place), reason, _advice(users, detail or header)))
    return found
