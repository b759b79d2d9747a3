"""Settings of `make docs`: HTML only, from the installed package, without network access."""

# ruff: noqa: INP001 - Sphinx loads it by its path

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from impact_jobs import __version__
from sphinx.domains.python import PyObject
from sphinx.ext.autodoc.mock import ismock
from sphinx.util.inspect import stringify_signature

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "impact-jobs"
author = "the authors of impact-jobs"
project_copyright = author
release = version = __version__

sys.path.insert(0, str(Path(__file__).parent))  # import_graph is beside this file
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "import_graph"]
exclude_patterns = ["_build", "changelog.d"]
nitpicky = True
nitpick_ignore_regex = [
    # Foreign types. Their inventories are not fetched, because a build must not need the network.
    (
        r"py:.*",
        r"(collections|datetime|io|os|pathlib|re|types|typing|uuid|httpx|pyarrow|starlette|pytest|attrs|click)(\..*)?",
    ),
    (r"py:(class|exc)", r"(bool|bytes|dict|float|int|list|object|str|tuple|type)"),
    (r"py:exc", r"(Exception|ImportError|KeyError|OSError|RuntimeError|TimeoutError|ValueError)"),
    # Imported for type checkers only, so autodoc sees the bare names.
    (r"py:class", r"Sequence|PathLike|timedelta|date|DltSource|Plan|PlannedFile"),
    # Appears in a public signature, but only the package creates it.
    (r"py:class", r"impact_jobs\._policy\.polling\.JobProgress|impact_jobs\.sandbox\._result\.Result"),
    # Airflow's classes, which are not installed here, and the types of our own that stand for keyword arguments.
    (r"py:(class|exc)", r"(airflow\..*|Airflow\w+|ObjectStoragePath|impact_jobs\.airflow\.hook\.ClientOptions)"),
    # Generated code has a page of its own, which does not list its functions.
    (r"py:class", r"impact_agency_api\..*"),
]

html_theme = "furo"
pygments_dark_style = "github-dark"  # whose module names are not underlined like links
html_title = f"impact-jobs {__version__}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = ["airflow", "fsspec"]  # not installed here, because Airflow has 250 dependencies
autodoc_typehints = "signature"
# Single backticks in docstrings mean code.
default_role = "code"
# Show the names of these aliases, because their definitions are long.
autodoc_type_aliases = {
    name: name for name in ("JobReference", "Timeouts", "Mode", "OnProgress", "History", "Scenario")
}
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
# List attributes once, under their class.
napoleon_use_ivar = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

_AIRFLOW = "impact_jobs.airflow."

# Only the package creates these, and errors, so their constructor signatures are not shown.
_RETURNED = {f"impact_jobs.{name}" for name in ("DownloadResult", "FetchReport", "FieldError", "Job")}


class Airflow:
    """A default that Airflow's configuration decides; the docstring says how."""

    def __repr__(self) -> str:
        """Show the default as stubs do."""
        return "..."


def constructor_signature(subject: type) -> inspect.Signature:
    """Return the arguments of a class and its bases, because the stand-ins of Airflow's base classes hide them."""
    found: dict[str, inspect.Parameter] = {}
    for each in subject.__mro__:
        if each.__module__.startswith(_AIRFLOW) and "__init__" in vars(each):
            parameters = inspect.signature(each.__init__).parameters  # type: ignore[misc]  # of this very class
            found = {name: value for name, value in found.items() if value.kind is not value.VAR_KEYWORD}
            found |= {name: value for name, value in parameters.items() if name not in {"self", *found}}
    for name, value in found.items():
        if ismock(value.default):
            found[name] = value.replace(default=Airflow())
    return inspect.Signature(sorted(found.values(), key=lambda parameter: parameter.kind))


def setup(app: Sphinx) -> None:
    """Show type aliases by name, where Sphinx would show a `repr`, and label attributes "Attributes"."""

    def clean_signature(_app: Sphinx, what: str, name: str, *rest: object) -> tuple[str | None, ...]:
        subject, (signature, annotation) = rest[0], rest[-2:]
        if isinstance(subject, type) and name.startswith(_AIRFLOW):
            return stringify_signature(constructor_signature(subject), unqualified_typehints=True), None
        if signature and (what == "exception" or name in _RETURNED):
            return "", None
        alias = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
        return tuple(None if part is None else alias.sub(r"\1", str(part)) for part in (signature, annotation))

    app.connect("autodoc-process-signature", clean_signature)
    for kind in PyObject.doc_field_types:
        if kind.name == "variable":
            kind.label = "Attributes"
