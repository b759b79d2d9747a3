"""What breaks the signatures of a generated package."""

from pathlib import Path

import pytest
from spec.comparing.signatures import Attribute, Function, compare_packages, read_signatures
from spec.trees import Files, read_files

ROOT = Path(__file__).resolve().parents[2]

MODULE = """
def _get_kwargs(account: str) -> dict[str, object]: ...

def sync(account: str, job: UUID, *, client: AuthenticatedClient, after: date | Unset = UNSET) -> Any | Job | None: ...

async def asyncio_detailed(account: str, *, client: Client) -> Response[Fault | list[Job]]: ...
"""
MODEL = """
@_attrs_define
class Job:
    id: UUID
    status: JobStatus | str | Unset = UNSET
    count: int | Unset = 5
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]: ...
"""
ENUM = """
class JobStatus(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
"""
PATHS = {"api/jobs/get_job.py": MODULE, "models/job.py": MODEL, "models/job_status.py": ENUM}


def package(*edits: tuple[str, str]) -> Files:
    files = {}
    for path, text in PATHS.items():
        for old, new in edits:
            text = text.replace(old, new)  # noqa: PLW2901 - one edit after the other
        files[f"impact_agency_api/{path}"] = text.encode()
    return files


# An edit of the source: what is said of it, and whether it breaks.
CASES: dict[str, tuple[tuple[str, str], str, bool]] = {
    "a parameter is gone": (
        (", after: date | Unset = UNSET", ""), "api.jobs.get_job.sync(after) is gone", True),
    "a parameter is renamed": (
        ("after: date", "since: date"), "api.jobs.get_job.sync(after) is gone", True),
    "a parameter becomes required": (
        ("after: date | Unset = UNSET", "after: date | Unset"), "api.jobs.get_job.sync(after) becomes required", True),
    "a parameter becomes optional": (
        ("client: AuthenticatedClient,", "client: AuthenticatedClient = UNSET,"),
        "api.jobs.get_job.sync(client) becomes optional", False),
    "a default changes": (
        ("Unset = UNSET) -> Any", "Unset = TODAY) -> Any"),
        "api.jobs.get_job.sync(after) gets another default: UNSET → TODAY", True),
    "a parameter is added with a default": (
        ("*, client: AuthenticatedClient,", "*, client: AuthenticatedClient, more: str = UNSET,"),
        "api.jobs.get_job.sync(more) is new", False),
    "a parameter is added without one": (
        ("*, client: AuthenticatedClient,", "*, client: AuthenticatedClient, more: str,"),
        "api.jobs.get_job.sync(more) is new and required", True),
    "a parameter becomes a keyword": (
        ("job: UUID, *, client", "*, job: UUID, client"),
        "api.jobs.get_job.sync(job) is given in another way: positional or keyword → keyword-only", True),
    "parameters change places": (
        ("account: str, job: UUID,", "job: UUID, account: str,"),
        "api.jobs.get_job.sync takes its arguments in another order: job, account", True),
    "a parameter takes more": (
        ("client: AuthenticatedClient,", "client: AuthenticatedClient | Client,"),
        "api.jobs.get_job.sync(client) takes another type: AuthenticatedClient → AuthenticatedClient | Client", False),
    "a parameter takes something else": (
        ("job: UUID", "job: str"), "api.jobs.get_job.sync(job) takes another type: UUID → str", True),
    "a parameter takes an enum's text": (
        ("after: date |", "after: JobStatus |"),
        "api.jobs.get_job.sync(after) takes another type: Unset | date → JobStatus | Unset", True),
    "a result gets a type": (
        ("Any | Job | None", "Any | Fault | Job | None"),
        "api.jobs.get_job.sync returns another type: Any | Job | None → Any | Fault | Job | None", True),
    "a result loses a type beside Any": (
        ("Any | Job | None", "Any | None"), "api.jobs.get_job.sync returns another type: Any | Job | None → Any | None",
        False),
    "a result loses a type": (
        ("Response[Fault | list[Job]]", "Response[list[Job]]"),
        "api.jobs.get_job.asyncio_detailed returns another type: Fault | list[Job] → list[Job]", True),
    "a result gets Any": (
        ("Response[Fault | list[Job]]", "Response[Any | Fault | list[Job]]"),
        "api.jobs.get_job.asyncio_detailed returns another type: Fault | list[Job] → Any | Fault | list[Job]", False),
    "Any takes the place of a type": (
        ("Response[Fault | list[Job]]", "Response[Any | Fault]"),
        "api.jobs.get_job.asyncio_detailed returns another type: Fault | list[Job] → Any | Fault", True),
    "a field gets another type": (
        ("    id: UUID", "    id: str"), "models.Job.id gets another type: UUID → str", True),
    "a field gets a wider type": (
        ("count: int |", "count: float |"), "models.Job.count gets another type: Unset | int → Unset | float", True),
    "a field gets another default": (
        ("= 5", "= 6"), "models.Job.count gets another value: 5 → 6", True),
    "a field is added with a default": (
        ("= 5", "= 5\n    more: str | Unset = UNSET"), "models.Job.more is new", False),
    "a field is added without one": (
        ("    id: UUID", "    id: UUID\n    more: str"), "models.Job.more is new and must be given", True),
    "fields change places": (
        ("    id: UUID\n    status: JobStatus | str | Unset = UNSET",
         "    status: JobStatus | str | Unset = UNSET\n    id: UUID"), "", False),
    "a field is gone": (("    count: int | Unset = 5\n", ""), "models.Job.count is gone", True),
    "a method is gone": (("    def to_dict(self) -> dict[str, Any]: ...", ""), "models.Job.to_dict is gone", True),
    "a member is gone": (('    RUNNING = "RUNNING"\n', ""), "models.JobStatus.RUNNING is gone", True),
    "a member gets another value": (
        ('= "RUNNING"', '= "running"'), "models.JobStatus.RUNNING gets another value: 'RUNNING' → 'running'", True),
    "a member is added": (
        ('= "RUNNING"', '= "RUNNING"\n    PAUSED = "PAUSED"'), "models.JobStatus.PAUSED is new", False),
    "a class is renamed": (("class JobStatus(", "class State("), "models.JobStatus is gone", True),
    "a private function changes": (("account: str) -> dict", "account: int) -> dict"), "", False),
    "a class becomes a function": (
        ("class JobStatus(StrEnum):", "def JobStatus():"), "models.JobStatus becomes something else", True),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "says", "breaks"), CASES.values(), ids=CASES)
def test_each_change_of_a_signature_gets_its_verdict(edit: tuple[str, str], says: str, breaks: bool) -> None:  # noqa: FBT001
    assert package(edit) != package()
    found = compare_packages(package(), package(edit))
    assert any(it.breaks for it in found) == breaks, found
    assert says in [*map(str, found), ""] if says else found == []


def test_a_module_that_is_gone_is_one_change() -> None:
    less = package()
    del less["impact_agency_api/api/jobs/get_job.py"], less["impact_agency_api/models/job.py"]
    assert [str(it) for it in compare_packages(package(), less)] == ["api.jobs.get_job is gone", "models.Job is gone"]
    assert [(str(it), it.breaks) for it in compare_packages(less, package())] == [
        ("api.jobs.get_job is new", False),
        ("models.Job is new", False),
    ]


def test_a_member_of_an_enum_is_accepted_as_text() -> None:
    member, text = ("after: date | Unset", "after: JobStatus | Unset"), ("after: date | Unset", "after: str | Unset")
    (found,) = compare_packages(package(member), package(text))
    assert (found.name, found.breaks) == ("api.jobs.get_job.sync(after)", False)


def test_equal_packages_have_equal_signatures() -> None:
    files = read_files(ROOT / "generated")
    assert compare_packages(files, files) == []


def test_the_signatures_of_our_package_are_read() -> None:
    found = read_signatures(read_files(ROOT / "generated"))
    get = found["api.jobs.get_job.sync_detailed"]
    assert isinstance(get, Function)
    assert [(it.name, it.kind, sorted(it.types), it.default) for it in get.parameters] == [
        ("account_sid", "positional or keyword", ["str"], None),
        ("job_id", "positional or keyword", ["UUID"], None),
        ("client", "keyword-only", ["AuthenticatedClient"], None),
    ]
    assert get.returns == {"Any", "Job"}
    assert found["models.Job.status"] == Attribute(frozenset({"JobStatus", "str", "Unset"}), "UNSET")
    assert found["models.JobStatus.ERROR"] == Attribute(frozenset(), "'ERROR'")
    assert "api.jobs.get_job._get_kwargs" not in found
