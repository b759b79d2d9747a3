"""Made-up published pages: documents in fences, with prose around them."""

import json
import re
from collections.abc import Sequence

from generate import ROOT
from spec.documents import JsonObject, as_list
from spec.texts.sources import read_source

INTRODUCTION = """\
> The index of all pages is in [an index](index.txt).

# Boats

Hire boats, and give them back.

> Returns \\`Boats\\` of this harbour.\\
> \\
> \\## States\\
> \\
> \\- \\*\\*Afloat\\*\\* \u2014 the boat can be hired.
"""
TRAILER = """\
# Questions

Ask about this page:

```
GET https://boats.example/page.md?ask=<question>
```
"""


def overlay_of_jobs() -> JsonObject:
    """Return the project's overlay without the actions for pages of reports, which it may have one day."""
    overlay = read_source(ROOT / "openapi" / "overlay.json").parse()
    actions = [action for action in as_list(overlay["actions"]) if not re.search(r"\bReport", json.dumps(action))]
    return {**overlay, "actions": actions}


def operation(operation_id: str, path: str, *, method: str = "get", **schemas: str) -> JsonObject:
    """Return a document with one operation, as a vendor publishes it."""
    document: JsonObject = {
        "openapi": "3.1.0",
        "info": {"title": "Boats \u2014 hire", "version": "3.0"},
        "paths": {path: {method: {"operationId": operation_id, "responses": {"200": {"description": "Done."}}}}},
    }
    return document | components(**schemas) if schemas else document


def components(**schemas: str) -> JsonObject:
    """Return the part of a document that defines schemas by their types."""
    return {"components": {"schemas": {name: {"type": value} for name, value in schemas.items()}}}


def models(**schemas: str) -> JsonObject:
    """Return a document with schemas alone."""
    return {"openapi": "3.1.0", "info": {"title": "Boats \u2014 hire", "version": "3.0"}, **components(**schemas)}


def page(*documents: JsonObject, headings: Sequence[str] = ()) -> str:
    """Return a page in the form of the vendor's: each document in one line, in a fence below a heading."""
    named = [*headings, *(f"Operation {number}" for number in range(len(headings), len(documents)))]
    blocks = [
        f"## {heading}\n\n> About it.\n\n```json\n{json.dumps(document, ensure_ascii=False)}\n```\n"
        for heading, document in zip(named, documents, strict=True)
    ]
    return "\n".join([INTRODUCTION, *blocks, TRAILER])
