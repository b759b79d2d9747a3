"""The two clients have the same methods, parameters and defaults. tests/scripts compares their docstrings."""

from __future__ import annotations

import inspect
from types import FunctionType

import pytest
from impact_jobs import AsyncJobsClient, JobsClient

_RENAMED = {"aclose": "close"}


def verbs(client: type) -> dict[str, object]:
    return {
        _RENAMED.get(name, name): member
        for name, member in inspect.getmembers_static(client)
        if not name.startswith("_")
    }


def function_of(member: object) -> FunctionType:
    found = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    assert isinstance(found, FunctionType)
    return found


def test_the_names_are_the_same() -> None:
    assert verbs(JobsClient).keys() == verbs(AsyncJobsClient).keys()
    assert {"list", "get", "wait", "download", "stream", "wait_and_download", "replay", "replay_if_replayable"} <= set(
        verbs(JobsClient)
    )


@pytest.mark.parametrize("name", ["__init__", *verbs(JobsClient)])
def test_parameters_and_defaults_are_the_same(name: str) -> None:
    def parameters(client: type) -> list[tuple[str, object, object, str]]:
        member = vars(client)["__init__"] if name == "__init__" else verbs(client)[name]
        signature = inspect.signature(function_of(member))
        return [
            (parameter.name, parameter.kind, parameter.default, str(parameter.annotation).removeprefix("Async"))
            for parameter in signature.parameters.values()
        ]

    assert parameters(JobsClient) == parameters(AsyncJobsClient)


@pytest.mark.parametrize("name", [*verbs(JobsClient), "__init__"])
def test_arguments_after_the_second_are_keyword_only(name: str) -> None:
    member = vars(JobsClient)["__init__"] if name == "__init__" else verbs(JobsClient)[name]
    kinds = [parameter.kind for parameter in inspect.signature(function_of(member)).parameters.values()][1:]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for kind in kinds[2:])
