"""What the API and the storage share: one account, its jobs, and the record of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

from attrs import converters, evolve, field, frozen, validators

from impact_jobs.sandbox._account_rules import RULES, AccountKind, AccountRules, ListShape
from impact_jobs.sandbox._auth import BudgetHeaders, Credentials, HourlyBudget, LinkSigner
from impact_jobs.sandbox._exports import ExportLog, ExportQuery
from impact_jobs.sandbox._faults import FaultQueue, RequestLog
from impact_jobs.sandbox._jobs import Job
from impact_jobs.sandbox._numbers import real, whole
from impact_jobs.sandbox._report_result import JsonShape
from impact_jobs.sandbox._result import FixedResult
from impact_jobs.sandbox._result_file import MAX_SIZE, ResultFile
from impact_jobs.sandbox._store import JobStore

ReportListShape = Literal["array", "reports", "pages"]

_MAX_PORT: Final = 65535
_MAX_ROWS: Final = 1_000_000


def _whole_numbers(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(whole(each) for each in numbers)


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
    account: AccountKind = field(validator=validators.in_(tuple(RULES)))
    advertisers: tuple[int, ...] = field(converter=_whole_numbers)
    daily_exports: int | None = field(
        converter=converters.optional(whole), validator=validators.optional(validators.ge(0))
    )
    rows_per_day: int = field(converter=whole, validator=[validators.ge(0), validators.le(_MAX_ROWS)])
    json_shape: JsonShape = field(validator=validators.in_(("records", "array", "pages")))
    json_page_rows: int = field(converter=whole, validator=validators.ge(1))
    report_list: ReportListShape = field(validator=validators.in_(("array", "reports", "pages")))
    list_shape: ListShape | None = field(validator=validators.in_((None, "array", "jobs", "pages")))
    page_size: int = field(converter=whole, validator=validators.ge(1))
    stringly: bool
    replay_same_id: bool | None
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
        self.store: JobStore = JobStore(clock, seed=settings.seed)
        self.budget: HourlyBudget = HourlyBudget(settings.hourly_budget, form=settings.budget_headers, clock=clock)
        self.exports: ExportLog = ExportLog(settings.daily_exports, clock=clock)
        self.faults: FaultQueue = FaultQueue()
        self.log: RequestLog = RequestLog()
        self.base_url = ""  # both are set once the servers have started
        self.storage_url = ""

    def rules(self, advertiser: int | None = None) -> AccountRules:
        """Return the rules of the account, or of a brand of an agency."""
        rules = RULES["brand" if advertiser is not None else self.settings.account]
        return evolve(
            rules,
            list_shape=self.settings.list_shape or rules.list_shape,
            replays_in_place=rules.replays_in_place
            if self.settings.replay_same_id is None
            else self.settings.replay_same_id,
        )

    def new_job(
        self,
        *,
        type: str = "ApiReport",  # noqa: A002 - the API's word
        program_id: str = "",
        advertiser: int | None = None,
        size: int | None = None,
        seed: int | None = None,
    ) -> Job:
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
            retries_errors=self.rules(advertiser).retries_errors,
            advertiser=advertiser,
            result=ResultFile(  # pyright: ignore[reportArgumentType] - it takes converted fields for descriptors
                result_seed if seed is None else seed, self.settings.result_bytes if size is None else size
            ),
        )

    def new_export(self, query: ExportQuery, *, program_id: str, advertiser: int | None) -> Job:
        """Create the job of an export, without adding it to the store."""
        job = self.new_job(program_id=program_id, advertiser=advertiser)
        settings = self.settings
        report = query.result(
            source=str(settings.seed) if advertiser is None else f"{settings.seed}/{advertiser}",
            rows_per_day=settings.rows_per_day,
            as_of=job.created_at.date(),
            json_shape=settings.json_shape,
            json_page_rows=settings.json_page_rows,
        )
        changes = dict(self.exports.pop_prepared())
        content = changes.pop("content", None)
        result = report if content is None else FixedResult(content, report.extension)
        return evolve(job, result=result, **changes)

    def result_link(self, job: Job, *, page: int = 1) -> str:
        """Return a signed path, on the storage, to a job's result or one of its pages."""
        return self.signer.sign(f"/results/{job.id}{f'-{page}' if page > 1 else ''}.{job.result.extension}")
