import yaml
from hypothesis import given, settings
from spec.documents import Json
from spec.fragments import Fragment
from spec.merging.merge import Merged, MergeError, merge
from spec.merging.rules import Rules, parse_rules

from tests.spec.random_documents import fragments, meaning, operations


def merged_with_proposals(drawn: list[Fragment]) -> tuple[Merged, dict[str, list[str]]]:
    """Merge documents with the resolutions that the report proposes."""
    rules, pasted = Rules(), dict[str, list[str]]()
    for _ in range(3):
        try:
            return merge(drawn, rules), pasted
        except MergeError as error:
            if not error.proposals:
                raise
            pasted |= error.proposals
        text = yaml.safe_dump({"resolutions": pasted})
        rules = parse_rules(text, "openapi/merge.yml")
    return merge(drawn, rules), pasted


@settings(deadline=None, max_examples=25)
@given(drawn=fragments())
def test_with_the_proposed_resolutions_every_operation_means_what_its_own_document_says(drawn: list[Fragment]) -> None:
    merged, pasted = merged_with_proposals(drawn)
    after = operations(merged.document)
    kept: dict[tuple[str, str], str] = {}
    for fragment in sorted(drawn, key=lambda fragment: fragment.name):
        for operation, before in operations(fragment.document).items():
            kept.setdefault(operation, fragment.name)
            if kept[operation] == fragment.name or not any(key.startswith("operation/") for key in pasted):
                assert after[operation] == before
    assert after.keys() == kept.keys()


@settings(deadline=None, max_examples=25)
@given(drawn=fragments())
def test_with_the_proposed_resolutions_no_component_is_lost(drawn: list[Fragment]) -> None:
    merged, _ = merged_with_proposals(drawn)

    def meanings(document: Json) -> list[Json]:
        assert isinstance(document, dict)
        components = document["components"]
        assert isinstance(components, dict)
        return [meaning(document, part) for section in components.values() for part in section.values()]  # type: ignore[union-attr]

    after = meanings(merged.document)
    assert all(before in after for fragment in drawn for before in meanings(fragment.document))
