"""Short forms for tests of the merge: documents with a few parts, and what becomes of them."""

from copy import deepcopy
from typing import Any

import pytest
import yaml
from spec.documents import render
from spec.fragments import Fragment
from spec.merging.merge import Merged, MergeError, merge
from spec.merging.rules import parse_rules
from spec.texts.sources import Source

ROOT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "servers": [{"url": "https://a"}],
}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
Change = dict[str, Any]


def ref(name: str, section: str = "schemas") -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def operation(name: str | None = None, **fields: Any) -> Change:
    return {**({"operationId": name} if name else {}), **fields, "responses": {}}


def fragment(name: str, paths: Change | None = None, *, root: Change | None = None, **sections: Change) -> Fragment:
    """Return a fragment with operations and components, as the vendor publishes them."""
    components = {"components": sections} if sections else {}
    document: Change = {**deepcopy(ROOT), **(root or {}), "paths": paths or {}, **components}
    return Fragment.of(name, Source(f"openapi/{name}", render(document).decode()))


def schemas(name: str, **components: Any) -> Fragment:
    return fragment(name, schemas=components)


def merged(*fragments: Fragment, rules: str = "", **resolutions: Any) -> Any:
    return result(*fragments, rules=rules, **resolutions).document


def result(*fragments: Fragment, rules: str = "", resolutions: dict[str, Any] | None = None) -> Merged:
    text = rules + (yaml.safe_dump({"resolutions": resolutions}) if resolutions else "")
    return merge(fragments, parse_rules(text, "openapi/merge.yml"))


def failure(*fragments: Fragment, rules: str = "", resolutions: dict[str, Any] | None = None) -> str:
    with pytest.raises(MergeError) as caught:
        result(*fragments, rules=rules, resolutions=resolutions)
    return str(caught.value)


def proposals(*fragments: Fragment) -> dict[str, list[str]]:
    with pytest.raises(MergeError) as caught:
        merge(fragments)
    return caught.value.proposals
