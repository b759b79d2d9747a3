"""Model how long jobs take, from the vendor's figures and finished jobs, and compute the cheapest pause from it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Job

# The vendor: "averages about 5 s", large jobs take minutes to hours. The spread is the standard deviation of the
# natural logarithm: two of three jobs take between 0.7 s and 37 s.
_PRIOR_MEDIAN = 5.0
_PRIOR_SPREAD = 2.0
_PRIOR_WEIGHT = 0.1  # of that median against the duration of one job, because types differ widely
_SPREAD_TO_SHAPE = 1.7  # makes a logistic distribution resemble the normal one
_MAX_SHAPE = 10.0  # however alike the past jobs were, the next one may differ by 20 %
_MIN_SECONDS = 0.5  # the server's dates are whole seconds
_MAX_RATIO = 1e30  # its power is still a float

_TRUST = 0.8  # the weight of extrapolated progress, because some jobs stall or restart
_PROGRESS_SHAPE = 4.0

_STEP = 1.3  # from one candidate pause to the next; near the best one all are about as good
_CERTAIN = 0.97  # a longer pause gains nothing once the job is this likely to have ended


@frozen
class DurationModel:
    """A log-logistic distribution: close to the log-normal one, but cheap to compute and tolerant of outliers."""

    median: float  # seconds
    shape: float  # its sharpness; 1 is wide

    def survival(self, seconds: float) -> float:
        """Return the share of jobs that take longer."""
        return 1.0 / (1.0 + math.pow(min(seconds / self.median, _MAX_RATIO), self.shape))

    @classmethod
    def fit(cls, seconds: Sequence[float]) -> DurationModel:
        """Fit the model to these durations; the fewer there are, the more the prior counts."""
        logs, prior = [math.log(max(each, _MIN_SECONDS)) for each in seconds], math.log(_PRIOR_MEDIAN)
        mean = (math.fsum(logs) + _PRIOR_WEIGHT * prior) / (len(logs) + _PRIOR_WEIGHT)
        squares = _PRIOR_SPREAD**2 + _PRIOR_WEIGHT * (prior - mean) ** 2 + math.fsum((log - mean) ** 2 for log in logs)
        return cls(math.exp(mean), min(_SPREAD_TO_SHAPE / math.sqrt(squares / (len(logs) + 1)), _MAX_SHAPE))


PRIOR = DurationModel.fit(())


@frozen
class History:
    """The durations of each type of job, as (type, model) in alphabetical order."""

    types: tuple[tuple[str, DurationModel], ...]

    def model_for(self, kind: str | None) -> DurationModel:
        """Return the model for a type of job, or the prior if no job of that type has been seen."""
        return next((model for name, model in self.types if name == kind), PRIOR)


def learn_history(jobs: Iterable[Job] | History | None) -> History | None:
    """Learn from completed jobs; ignore others, and those whose dates make no sense."""
    if jobs is None or isinstance(jobs, History):
        return jobs
    given = list(jobs) if isinstance(jobs, Iterable) else [jobs]
    if not all(isinstance(job, Job) for job in given):
        raise ConfigurationError(f"history={jobs!r}: give finished jobs, such as jobs.list(created_after=...) yields.")
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for job in given:
        if job.type is not None and job.created_date is not None and job.completed_date is not None:
            duration = (job.completed_date - job.created_date).total_seconds()
            if duration >= 0:
                seconds[str(job.type)].append(duration)
    return History(tuple((kind, DurationModel.fit(seconds[kind])) for kind in sorted(seconds)))


def survival_of_job(
    model: DurationModel, *, age: float, remaining: float | None, stalled: float
) -> Callable[[float], float]:
    """Return a function: the chance that a job which was seen running at this age still runs so many seconds later.

    Its progress had stalled for `stalled` seconds by then; when it last moved, it suggested that `remaining` were left.
    """
    if remaining is None:
        when_seen = model.survival(age)
        return lambda seconds: model.survival(age + seconds) / when_seen
    # Either the progress goes on at its speed, or it predicts nothing. The longer it stalls, the less the first counts.
    steady = DurationModel(remaining or 1.0, _PROGRESS_SHAPE)
    doubt = (1.0 - _TRUST) / model.survival(age - stalled)

    def likelihood(seconds: float) -> float:
        return _TRUST * steady.survival(stalled + seconds) + doubt * model.survival(age + seconds)

    when_seen = likelihood(0.0)
    return lambda seconds: likelihood(seconds) / when_seen


def cheapest_pause(
    survival: Callable[[float], float], *, elapsed: float, request_cost: float, shortest: float, longest: float
) -> float:
    """Return the pause with the lowest (cost of a request + expected lateness) / chance that the job has ended.

    The job was last seen `elapsed` seconds ago. If all polls were alike, that ratio would be the cost of the wait.
    """
    pause = best = shortest
    lowest = math.inf
    at = ended = lateness = 0.0
    # Since the chance is at most 1, a longer pause can't be cheaper once its lateness alone costs more than the best.
    while pause < longest * _STEP and ended < _CERTAIN and request_cost + lateness < lowest:
        previous, ended_before, at = at, ended, elapsed + pause
        ended = 1.0 - survival(at)
        lateness += (at - previous) * (ended + ended_before) / 2.0
        if request_cost + lateness < lowest * ended:
            best, lowest = pause, (request_cost + lateness) / ended
        pause *= _STEP
    return best
