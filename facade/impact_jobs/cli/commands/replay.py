"""`replay`: run jobs again."""

from __future__ import annotations

import click

from impact_jobs import Job
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import call_for_each, emit_all
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.output import one_line
from impact_jobs.cli.resume_hint import set_hint
from impact_jobs.cli.state import CliState


@click.command(
    cls=Command,
    examples=(
        "impact-jobs replay 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
        "impact-jobs list --since yesterday | impact-jobs replay - --if-replayable | impact-jobs wait -",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--if-replayable", is_flag=True, help="Skip jobs that the server says cannot be replayed.")
@click.pass_obj
def replay(state: CliState, jobs: tuple[str, ...], *, if_replayable: bool) -> int:
    """Run jobs again, for fresh data.

    Writes the new jobs, each of which has an id of its own. A replay is sent only once: if its response is lost and the
    list of jobs does not show whether it started, the exit code is 6. Look at the list before you replay again.
    """
    with state.client() as client:

        def send(name: str) -> Job | None:
            set_hint(
                f"the replay of {one_line(name)} may have been sent: "
                "look at `impact-jobs list --since 10m` before you replay it again"
            )
            if not if_replayable:
                return client.replay(name)
            job = client.replay_if_replayable(name)
            if job is None:
                state.note(f"{one_line(name)} cannot be replayed and is skipped")
            return job

        return emit_all(call_for_each(job_names(jobs, state), send), state)
