"""The reference is complete and agrees with the code."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import httpcore
import httpx
import pytest
from impact_jobs import ApiError, AsyncJobsClient, RateLimitError, Retry, ServerError

from tests.docs import error_table
from tests.docs.pages import PAGES, ROOT
from tests.docs.public import PACKAGES, has_package, public_names

REFERENCE = {name: path.read_text() for name, path in PAGES.items() if name.startswith("docs/reference/")}
_READING = re.compile(
    r"(?:(?:environ|_env)(?:\.get|\.pop)?|getenv|setting)[\[(]\s*\"(\w+)\"|envvar=\"(\w+)\""
    r"|\"(\w+)\" (?:not )?in (?:os\.|self\._)?environ"
)
ENVIRONMENT = REFERENCE["docs/reference/environment.md"]


@pytest.mark.parametrize("package", [*PACKAGES, "impact_jobs.pytest_plugin", "impact_jobs.airflow", "impact_jobs.dlt"])
def test_every_public_name_is_in_the_reference_once(package: str) -> None:
    pattern = r"^\.\. (?:auto(?:class|exception|function)|py:(?:class|type)):: (?:impact_jobs\.(?:\w+\.)?)?(\w+)\b"
    entries = [entry for text in REFERENCE.values() for entry in re.findall(pattern, text, re.MULTILINE)]
    assert [name for name in public_names(package) if entries.count(name) != 1] == []


def test_every_method_is_in_the_table_of_the_asynchronous_client() -> None:
    page = REFERENCE["docs/reference/client.md"]
    table = page[page.index("| `JobsClient` |") : page.index("```python")]
    methods = {name for name in vars(AsyncJobsClient) if not name.startswith("_")}
    assert {name for name in methods if not re.search(rf"\b{name}\b", table)} == set()


def test_the_table_of_errors_agrees_with_the_docstrings() -> None:
    page = REFERENCE["docs/reference/errors.md"]
    assert error_table.rewritten(page) == page, "run: python -m tests.docs.error_table"


def test_the_errors_that_are_retried_are_those_of_the_table() -> None:
    tried: dict[type, tuple[int, ...]] = {
        ApiError: (408, 425),
        ServerError: (500, 502, 503, 504, 520),
        RateLimitError: (429,),
    }
    for kind in error_table.errors():
        error = kind.__new__(kind)
        retried = set()
        for status in tried.get(kind, (400,)):
            vars(error).update(status_code=status, retry_after=None)
            retried.add(Retry().delay(error, 1, random=lambda: 0.5) is not None)
        # Whether an error is `is_too_early` depends on more than its class: see tests/download/test_new_results.py and
        # tests/operations/test_after_a_replay.py.
        depends = {"no", "after a replay", "if the job is COMPLETED", "with fresh links"}
        is_retried = error_table.TRIED_AGAIN.get(kind.__name__, "no") not in depends
        assert retried == {is_retried}, kind
        error.is_too_early = True
        assert Retry().delay(error, 1, random=lambda: 0.5) is not None


def test_every_variable_that_the_package_reads_is_on_the_page() -> None:
    read = {name for path in sorted((ROOT / "facade").rglob("*.py")) for name in variables_of(path)}
    assert read >= {"IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN", "IMPACT_BASE_URL"}
    assert read - named_on_the_page() == set()


def test_the_variables_of_httpx_and_python_are_on_the_page() -> None:
    modules = [path for package in (httpx, httpcore) for path in Path(package.__file__ or "").parent.rglob("*.py")]
    read = {name for path in modules for name in variables_of(path)}
    assert read == {"SSL_CERT_FILE", "SSL_CERT_DIR"}
    # `urllib.request.getproxies` and `ssl` read these.
    assert read | {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSLKEYLOGFILE"} <= named_on_the_page()


def test_every_variable_on_the_page_is_read_somewhere() -> None:
    python = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSLKEYLOGFILE"}
    roots = [ROOT / "facade"]
    beneath = [importlib.import_module(package) for package in ("httpx", "rich", "click") if has_package(package)]
    roots += [Path(module.__file__ or "").parent for module in beneath]
    read = {name for root in roots for path in root.rglob("*.py") for name in variables_of(path)}
    assert named_on_the_page() - read - python == set()


def named_on_the_page() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", ENVIRONMENT, re.MULTILINE))


def variables_of(path: Path) -> set[str]:
    """Return the environment variables that a module reads, or passes to a function that reads them."""
    source = path.read_text()
    if not re.search(r"environ|getenv|setting\(|envvar", source):
        return set()
    read = {name.upper() for found in _READING.findall(source) for name in found if name}
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    own = {text for text in texts if isinstance(text, str) and re.fullmatch(r"_?IMPACT_[A-Z_]+", text)}
    return read | own
