"""From published pages to a generated client, and what a change of the pages means for it.

The commands in `scripts/` (`generate.py` and its neighbours) parse arguments and print; the work is done here.

    texts        JSON and YAML: strict parsing, and the line of any place
    importing    pages become fragments below openapi/
    merging      fragments become one document, by openapi/merge.yml
    overlays     our corrections, and advice if one has lost its effect
    generating   the document becomes a package
    comparing    what has changed between two documents, and what that breaks
    facade       what the facade relies on in the document

`documents`, `references`, `walk` and `python_names` serve all of them. `checks` finds what can't be generated, and
`interruptions` ends any command on Ctrl-C. `build` joins merging, overlays and generating; `updating` joins all steps;
`whole_api` generates a package for any account kind.
"""
