"""What the API and the storage share: one account, its jobs, and the record of requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from attrs import converters, field, frozen, validators

from impact_jobs.sandbox._auth import BudgetHeaders, Credentials, HourlyBudget, LinkSigner
from impact_jobs.sandbox._faults import FaultQueue, RequestLog
from impact_jobs.sandbox._jobs import Job
from impact_jobs.sandbox._numbers import real, whole
from impact_jobs.sandbox._result_file import MAX_SIZE, ResultFile
from impact_jobs.sandbox._store import JobStore

ListShape = Literal["array", "jobs", "pages"]

_MAX_PORT: Final = 65535


@frozen(kw_only=True)
class Settings:
    """The validated options of `Sandbox`, which documents them."""

    seed: int = field(converter=whole)
    job_seconds: float = field(converter=real, validator=validators.ge(0))
    result_bytes: int = field(converter=whole, validator=[validators.ge(0), validators.le(MAX_SIZE)])
    link_seconds: float = field(converter=real, validator=validators.gt(0))
    hourly_budget: int | None = field(
        converter=converters.optional(whole), validator=validators.optional(validators.ge(0))
    )
    budget_headers: BudgetHeaders = field(validator=validators.in_(("plain", "hour", "epoch", "none")))
    list_shape: ListShape = field(validator=validators.in_(("array", "jobs", "pages")))
    page_size: int = field(converter=whole, validator=validators.ge(1))
    stringly: bool
    replay_same_id: bool
    checksums: bool
    port: int = field(converter=whole, validator=[validators.ge(0), validators.le(_MAX_PORT)])
    storage_port: int = field(converter=whole, validator=[validators.ge(0), validators.le(_MAX_PORT)])


class SandboxState:
    """The state of a sandbox; `clock` returns epoch seconds."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.credentials: Credentials = Credentials.from_seed(settings.seed)
        self.signer: LinkSigner = LinkSigner(
            key=f"links/{self.credentials.auth_token}".encode(), seconds=settings.link_seconds, clock=clock
        )
        self.store: JobStore = JobStore(clock, seed=settings.seed, replay_same_id=settings.replay_same_id)
        self.budget: HourlyBudget = HourlyBudget(settings.hourly_budget, form=settings.budget_headers, clock=clock)
        self.faults: FaultQueue = FaultQueue()
        self.log: RequestLog = RequestLog()
        self.base_url = ""  # both are set once the servers have started
        self.storage_url = ""

    def new_job(self, *, type: str = "ApiReport", program_id: str = "") -> Job:  # noqa: A002 - the API's word
        """Create a job with the sandbox's defaults, without adding it to the store."""
        job_id, result_seed = self.store.new_id_and_seed()
        return Job(
            id=job_id,
            type=type,
            program_id=program_id,
            created_by=self.credentials.account_sid,
            created=self.clock(),
            seconds=self.settings.job_seconds,
            final_status="COMPLETED",
            result=ResultFile(result_seed, self.settings.result_bytes),
        )

    def result_link(self, job: Job) -> str:
        """Return a signed path, on the storage, to a job's result."""
        return self.signer.sign(f"/results/{job.id}.csv")
