"""Compare the public interface with the last release, and say what kind of release is due.

Run it with `make check-api`. The public interface consists of the names in the `__all__` of the modules below, wherever
they are defined, and of the names of fixtures. griffe reads both states without importing them: names, parameters,
their kinds and defaults. It does not compare types; tests/typing does.
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
MODULES = ("impact_jobs", "impact_jobs.sandbox", "impact_jobs.pytest_plugin", "impact_jobs.airflow")
SOURCES = ("facade", "generated")
VERSION = "facade/impact_jobs/__init__.py"
FRAGMENTS = "docs/changelog.d"

Version = tuple[int, int, int]


class Kind(IntEnum):
    """The kind of a release, from the least to the greatest change."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


def due(*, breaking: Sequence[str], added: Sequence[str], last: Version) -> Kind:
    """Return the kind of release by Semantic Versioning; before 1.0, the second number stands for the first."""
    kind = Kind.MAJOR if breaking else Kind.MINOR if added else Kind.PATCH
    return Kind(max(kind - 1, 0)) if last[0] == 0 else kind


def least(last: Version, kind: Kind) -> Version:
    """Return the lowest version after `last` that a release of that kind may have."""
    major, minor, patch = last
    return {Kind.MAJOR: (major + 1, 0, 0), Kind.MINOR: (major, minor + 1, 0), Kind.PATCH: (major, minor, patch + 1)}[
        kind
    ]


def problems(
    *, breaking: Sequence[str], added: Sequence[str], last: Version, now: Version, fragments: set[str]
) -> list[str]:
    """Return the reasons why the tree cannot be released as it is.

    Args:
        breaking: The changes that break users' programs.
        added: The names that are new.
        last: The version of the last release.
        now: The version of the tree.
        fragments: The types of the changelog's fragments.
    """
    found = []
    lowest = least(last, due(breaking=breaking, added=added, last=last))
    if (breaking or added) and now < lowest:
        found.append(f"{VERSION} says {format_version(now)}, but these changes need {format_version(lowest)} or later")
    if breaking and not fragments & {"changed", "removed"}:
        found.append(f"there are breaking changes, but no fragment in {FRAGMENTS} is of type changed or removed")
    return found


def format_version(version: Version) -> str:
    """Format a version, such as 1.2.3."""
    return ".".join(map(str, version))


def parse_version(text: str) -> Version:
    """Return the version in the text of the package's `__init__.py`."""
    found = re.search(r'__version__ = "(\d+)\.(\d+)\.(\d+)', text)
    if found is None:
        raise SystemExit(f"check-api: {VERSION} states no version such as 1.2.3")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def target(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """Return the object behind an alias."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def interface(package: griffe.Object | griffe.Alias) -> griffe.Module:
    """Return a module with the public interface only: aliases under the names that users import."""
    public = griffe.Module("public")
    for path in MODULES:
        inside = path.removeprefix("impact_jobs").removeprefix(".")
        if inside and inside not in package.members:
            continue  # that state does not have the module yet
        module = package[inside] if inside else package
        for name in map(str, module.exports or ()):
            key = f"{path}.{name}"
            public.set_member((key,), griffe.Alias(key, target(module[name])))
        for name, member in module.members.items():
            if isinstance(member, griffe.Function) and "pytest.fixture" in {str(it.value) for it in member.decorators}:
                key = f"{path}.{name}"
                public.set_member(
                    (key,), griffe.Attribute(key)
                )  # pytest calls fixtures, so their parameters are not public
    public.exports = list(public.members)
    return public


def names(public: griffe.Module) -> Iterator[str]:
    """Yield everything that a program can use: names, members of classes, parameters."""
    for name, alias in public.members.items():
        yield name
        found = target(alias)
        members = {name: found} if found.is_function else {f"{name}.{key}": it for key, it in found.members.items()}
        for key, member in members.items():
            if member.is_public:
                yield key
                if isinstance(member, griffe.Function):
                    yield from (f"{key}({parameter.name})" for parameter in member.parameters)


def additions(old: set[str], new: set[str]) -> list[str]:
    """Return the new names, without members of classes that are new themselves."""
    added = new - old
    return sorted(name for name in added if not {name.rpartition(".")[0], name.partition("(")[0]} & (added - {name}))


def read(*, root: Path, ref: str | None) -> griffe.Module:
    """Read the interface of the tree, or of a commit."""
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
    """Run git and return its output, or None if it fails."""
    done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--against", metavar="REF", help="a commit to compare with (default: the last tag, vX.Y.Z)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    root: Path = options.root
    ref = options.against or git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    if ref is None:
        print(
            "check-api: no tag: this is the first release, so nothing can break (use --against REF to compare anyway)"
        )
        return 0
    stated = git(root, "show", f"{ref}:{VERSION}")
    if stated is None:
        print(f"check-api: {ref} is not a commit with a {VERSION}", file=sys.stderr)
        return 1
    old, new = read(root=root, ref=ref), read(root=root, ref=None)
    breaking = [f"{change.kind.value}: {change.obj.path}" for change in griffe.find_breaking_changes(old, new)]
    added = additions(set(names(old)), set(names(new)))
    last, now = parse_version(stated), parse_version((root / VERSION).read_text())
    for title, lines in (("breaks", breaking), ("is new", added)):
        for line in lines:
            print(f"{title}: {line}")
    kind = due(breaking=breaking, added=added, last=last).name.lower()
    print(f"since {ref} ({format_version(last)}): a {kind} release is due; the tree says {format_version(now)}")
    fragments = {path.suffixes[0][1:] for path in (root / FRAGMENTS).glob("*.*.md")}
    found = problems(breaking=breaking, added=added, last=last, now=now, fragments=fragments)
    for problem in found:
        print(f"check-api: {problem}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
