"""How long jobs take: what is believed beforehand, and what finished jobs teach."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from attrs import frozen

from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Job

# The vendor: "averages about 5 s", large jobs take minutes to hours. The spread, of the natural logarithm, puts two
# jobs of three between 0.7 s and 37 s, and one of two thousand above an hour.
_USUAL_MEDIAN = 5.0
_USUAL_SPREAD = 2.0
_USUAL_WEIGHT = 0.1  # of that median against one job's length: types differ widely
_SHAPE_OF_SPREAD = 1.7  # makes a logistic distribution look like the normal one
_SHARPEST = 10.0  # however much alike the jobs have been, the next one may be 20 % off
_SHORTEST = 0.5  # seconds; the server's dates are whole ones
_FARTHEST = 1e30  # its power is a float still


@frozen
class DurationModel:
    """A log-logistic distribution: nearly the log-normal one, but cheap to compute, and forgiving far out.

    Attributes:
        median: Seconds.
        shape: How sharp it is; 1 is wide.
    """

    median: float
    shape: float

    def survival(self, seconds: float) -> float:
        """The share of jobs that take longer."""
        return 1.0 / (1.0 + math.pow(min(seconds / self.median, _FARTHEST), self.shape))

    @classmethod
    def of(cls, seconds: Sequence[float]) -> DurationModel:
        """What these lengths teach. The fewer they are, the more is left of what is usual."""
        logs, usual = [math.log(max(length, _SHORTEST)) for length in seconds], math.log(_USUAL_MEDIAN)
        mean = (math.fsum(logs) + _USUAL_WEIGHT * usual) / (len(logs) + _USUAL_WEIGHT)
        squares = _USUAL_SPREAD**2 + _USUAL_WEIGHT * (usual - mean) ** 2 + math.fsum((log - mean) ** 2 for log in logs)
        return cls(math.exp(mean), min(_SHAPE_OF_SPREAD / math.sqrt(squares / (len(logs) + 1)), _SHARPEST))


USUAL = DurationModel.of(())


@frozen
class History:
    """How long the jobs of each type took.

    Attributes:
        types: The type's name and its lengths, sorted.
    """

    types: tuple[tuple[str, DurationModel], ...]

    def lengths_of(self, kind: str | None) -> DurationModel:
        """What to expect of a job of that type; what is usual where none has been seen."""
        return next((lengths for name, lengths in self.types if name == kind), USUAL)


def history_of(jobs: Iterable[Job] | History | None) -> History | None:
    """What finished jobs teach; those that are not completed, or whose dates make no sense, are passed over.

    Raises:
        ConfigurationError: It is nothing that holds jobs.
    """
    if jobs is None or isinstance(jobs, History):
        return jobs
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for job in _checked(jobs):
        if job.type is not None and job.created_date is not None and job.completed_date is not None:
            length = (job.completed_date - job.created_date).total_seconds()
            if length >= 0:
                seconds[str(job.type)].append(length)
    return History(tuple((kind, DurationModel.of(seconds[kind])) for kind in sorted(seconds)))


def _checked(jobs: Iterable[Job]) -> Iterable[Job]:
    complaint = "history={!r}: give finished jobs, such as jobs.list(created_after=...) yields."
    if not isinstance(jobs, Iterable):
        raise ConfigurationError(complaint.format(jobs))
    for job in jobs:
        if not isinstance(job, Job):
            raise ConfigurationError(complaint.format(jobs))
        yield job
