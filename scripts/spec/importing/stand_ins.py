"""Recognize fragments that the project wrote itself, so that a published page takes their place.

Such a stand-in has `x-provenance` at its root, and no page in a `source.json` owns it.
"""

from collections.abc import Collection, Iterable, Iterator

from spec.documents import Problem, object_at
from spec.fragments import Fragment
from spec.importing.fragment_names import operations_of, route

MARK = "x-provenance"


def stand_ins(fragments: Iterable[Fragment], owned: Collection[str]) -> list[Fragment]:
    """Return the fragments that the project wrote itself.

    Args:
        fragments: All fragments on disk.
        owned: The names of those that are from a recorded page.
    """
    return [each for each in fragments if MARK in each.document and each.name not in owned]


def replaced_stand_ins(new: Iterable[Fragment], ours: Iterable[Fragment]) -> dict[str, str]:
    """Return the names of the stand-ins that imported pages replace, each with its page.

    A page replaces a stand-in if it describes an operation of the same method and path, or of the same operationId.
    """
    pages = {key: fragment.source.file for fragment in new for key in _keys(fragment)}
    return {each.name: pages[key] for each in ours for key in _keys(each) if key in pages}


def redefined_schemas(new: Iterable[Fragment], ours: Iterable[Fragment], openapi: str) -> Iterator[Problem]:
    """Yield a problem for each imported page of models that also defines schemas of stand-ins which stay.

    Args:
        new: The fragments of the imported pages.
        ours: The stand-ins that no page replaces.
        openapi: The name of the folder in messages.
    """
    owners = {schema: each.name for each in ours for schema in _schemas(each)}
    found: dict[tuple[str, str], list[str]] = {}
    for each in new:
        for schema in _schemas(each):
            if schema in owners:
                found.setdefault((each.source.file, owners[schema]), []).append(schema)
    for (file, name), schemas in found.items():
        reason = f"it defines {', '.join(dict.fromkeys(schemas))}, which {openapi}/{name} describes for the project"
        advice = "import the page with the operation of that file in the same command: it takes the file's place"
        yield Problem(file, None, reason, advice)


def _keys(fragment: Fragment) -> Iterator[tuple[str, str]]:
    for path, method, operation in operations_of(fragment.document):
        yield route(method, path)
        yield "operationId", str(operation.get("operationId"))


def _schemas(fragment: Fragment) -> Collection[str]:
    return object_at(fragment.document, "components", "schemas").keys()
