"""Compare the public interface with the last release, and tell what kind of release is due.

Run it with `make check-api`. Public is what the `__all__` of the modules below lists, wherever it is defined, and the
names of fixtures. griffe reads both states without importing them: names, parameters, their kinds and defaults. It does
not compare types; that is what tests/typing is for.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import partial
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("impact_jobs", "impact_jobs.sandbox", "impact_jobs.pytest_plugin")
SOURCES = ("facade", "generated")
VERSION = "facade/impact_jobs/__init__.py"
FRAGMENTS = "docs/changelog.d"

Version = tuple[int, int, int]


class Kind(IntEnum):
    """What a release does to its users, from nothing to much."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


def due(*, breaking: Sequence[str], added: Sequence[str], last: Version) -> Kind:
    """The kind of release by Semantic Versioning; before 1.0 the second number stands for the first."""
    kind = Kind.MAJOR if breaking else Kind.MINOR if added else Kind.PATCH
    return Kind(max(kind - 1, 0)) if last[0] == 0 else kind


def least(last: Version, kind: Kind) -> Version:
    """The lowest version after `last` that a release of that kind may have."""
    major, minor, patch = last
    return {Kind.MAJOR: (major + 1, 0, 0), Kind.MINOR: (major, minor + 1, 0), Kind.PATCH: (major, minor, patch + 1)}[
        kind
    ]


def problems(
    *, breaking: Sequence[str], added: Sequence[str], last: Version, now: Version, fragments: set[str]
) -> list[str]:
    """What keeps the tree from being released as it is.

    Args:
        breaking: What breaks users' programs.
        added: What is new to them.
        last: The version released last.
        now: The tree's.
        fragments: The types of the changelog's fragments.
    """
    found = []
    lowest = least(last, due(breaking=breaking, added=added, last=last))
    if (breaking or added) and now < lowest:
        found.append(f"{VERSION} says {shown(now)}, but these changes need {shown(lowest)} or later")
    if breaking and not fragments & {"changed", "removed"}:
        found.append(f"something breaks, but no fragment in {FRAGMENTS} is of type changed or removed")
    return found


def shown(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def version_in(text: str) -> Version:
    """The version that the package's `__init__.py` states."""
    found = re.search(r'__version__ = "(\d+)\.(\d+)\.(\d+)', text)
    if found is None:
        raise SystemExit(f"check-api: {VERSION} states no version such as 1.2.3")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def target(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """What it is in the end, wherever it was imported from."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def interface(package: griffe.Object | griffe.Alias) -> griffe.Module:
    """A module that holds what is public, and nothing else: aliases by the names that users import."""
    public = griffe.Module("public")
    for path in MODULES:
        inside = path.removeprefix("impact_jobs").removeprefix(".")
        if inside and inside not in package.members:
            continue  # younger than that state
        module = package[inside] if inside else package
        for name in map(str, module.exports or ()):
            key = f"{path}.{name}"
            public.set_member((key,), griffe.Alias(key, target(module[name])))
        for name, member in module.members.items():
            if isinstance(member, griffe.Function) and "pytest.fixture" in {str(it.value) for it in member.decorators}:
                key = f"{path}.{name}"
                public.set_member((key,), griffe.Attribute(key))  # pytest calls it, so its parameters are ours
    public.exports = list(public.members)
    return public


def names(public: griffe.Module) -> Iterator[str]:
    """Everything in it that a program can use: names, members of classes, parameters."""
    for name, alias in public.members.items():
        yield name
        found = target(alias)
        members = {name: found} if found.is_function else {f"{name}.{key}": it for key, it in found.members.items()}
        for key, member in members.items():
            if member.is_public:
                yield key
                if isinstance(member, griffe.Function):
                    yield from (f"{key}({parameter.name})" for parameter in member.parameters)


def news(old: set[str], new: set[str]) -> list[str]:
    """What is new, without the parts of what is itself new."""
    added = new - old
    return sorted(name for name in added if not {name.rpartition(".")[0], name.partition("(")[0]} & (added - {name}))


def read(*, root: Path, ref: str | None) -> griffe.Module:
    """The interface of the tree, or of a commit."""
    load = griffe.load if ref is None else partial(griffe.load_git, ref=ref, repo=root)
    found = load(
        "impact_jobs",
        search_paths=[root / source for source in SOURCES] if ref is None else SOURCES,
        resolve_aliases=True,
        resolve_external=True,
        resolve_implicit=True,
        allow_inspection=False,
    )
    return interface(found)


def git(root: Path, *arguments: str) -> str | None:
    """What git says, or None when it refuses."""
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--against", metavar="REF", help="a commit to compare with (default: the last tag, vX.Y.Z)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    root: Path = options.root
    ref = options.against or git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if ref is None:
        print(
            "check-api: no tag: this is the first release, and nothing can break (--against REF compares all the same)"
        )
        return 0
    stated = git(root, "show", f"{ref}:{VERSION}")
    if stated is None:
        print(f"check-api: {ref} is no commit with a {VERSION}", file=sys.stderr)
        return 1
    old, new = read(root=root, ref=ref), read(root=root, ref=None)
    breaking = [f"{change.kind.value}: {change.obj.path}" for change in griffe.find_breaking_changes(old, new)]
    added = news(set(names(old)), set(names(new)))
    last, now = version_in(stated), version_in((root / VERSION).read_text())
    for title, lines in (("breaks", breaking), ("is new", added)):
        for line in lines:
            print(f"{title}: {line}")
    kind = due(breaking=breaking, added=added, last=last).name.lower()
    print(f"since {ref} ({shown(last)}): a {kind} release is due; the tree says {shown(now)}")
    fragments = {path.suffixes[0][1:] for path in (root / FRAGMENTS).glob("*.*.md")}
    found = problems(breaking=breaking, added=added, last=last, now=now, fragments=fragments)
    for problem in found:
        print(f"check-api: {problem}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
