"""How `make docs` builds these pages: html only, from the package as it is installed, without the network."""

# ruff: noqa: INP001 - Sphinx reads it by its path

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from impact_jobs import __version__
from sphinx.domains.python import PyObject

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "impact-jobs"
author = "the authors of impact-jobs"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "changelog.d"]
nitpicky = True
nitpick_ignore_regex = [
    # Not ours, and their inventories are not fetched: a build must not need the network.
    (
        r"py:.*",
        r"(collections|datetime|io|os|pathlib|re|types|typing|uuid|httpx|starlette|pytest|attrs|click)(\..*)?",
    ),
    (r"py:(class|exc)", r"(bool|bytes|dict|float|int|list|object|str|tuple|type)"),
    (r"py:exc", r"(Exception|ImportError|KeyError|OSError|RuntimeError|TimeoutError|ValueError)"),
    # Imported for type checkers only, so that `errors` needs nothing above it: autodoc sees the bare name.
    (r"py:class", r"Sequence|timedelta"),
    # What a wait has seen of a job: made by the package alone, and shown by the signature of a policy.
    (r"py:class", r"impact_jobs\.polling\.Course"),
    # Machine-written; a page of its own says what it is, and its functions are not listed.
    (r"py:class", r"impact_agency_api\..*"),
]

html_theme = "furo"
pygments_dark_style = "github-dark"  # whose module names are not underlined like links
html_title = f"impact-jobs {__version__}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# What single backticks mean in docstrings.
default_role = "code"
# In place of what they stand for, which fills lines.
autodoc_type_aliases = {
    name: name for name in ("JobReference", "Timeouts", "Mode", "OnProgress", "History", "Scenario")
}
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
# Attributes as one list under their class, not once more as entries of their own.
napoleon_use_ivar = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Made by the package, like errors: their attributes matter, not how they are made.
_GIVEN = {f"impact_jobs.{name}" for name in ("DownloadResult", "FetchReport", "FieldError", "Job")}


def setup(app: Sphinx) -> None:
    """Mend what Sphinx makes of type aliases within other types, which is a `repr`; and call attributes so."""

    def mended(_app: Sphinx, what: str, name: str, *told: object) -> tuple[str | None, ...]:
        if told[-2] and (what == "exception" or name in _GIVEN):
            return "", None
        alias = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
        return tuple(None if part is None else alias.sub(r"\1", str(part)) for part in told[-2:])

    app.connect("autodoc-process-signature", mended)
    for kind in PyObject.doc_field_types:
        if kind.name == "variable":
            kind.label = "Attributes"
