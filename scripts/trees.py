"""Files as a mapping of path to bytes, so that two trees can be compared without a thought of the disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

Files: TypeAlias = dict[str, bytes]


def read_files(root: Path) -> Files:
    """Read every file below a directory, but for what Python caches there."""
    paths = {path.relative_to(root): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in paths.items() if "__pycache__" not in name.parts}


def differences(expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> Iterator[str]:
    """Say, path by path, how what was found differs from what was expected."""
    for path in sorted(expected.keys() | found.keys()):
        if path not in found:
            yield f"{path}: missing"
        elif path not in expected:
            yield f"{path}: nothing generates it"
        elif expected[path] != found[path]:
            yield f"{path}: differs"
