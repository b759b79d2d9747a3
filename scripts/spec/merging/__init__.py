"""From fragments to one document, by the rule and the decisions of `openapi/merge.yml`."""
