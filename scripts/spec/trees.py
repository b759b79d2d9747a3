"""Read a tree of files into a mapping of paths to bytes, and compare two such mappings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

Files: TypeAlias = dict[str, bytes]


def read_files(root: Path) -> Files:
    """Read every file below a directory, except Python's caches."""
    paths = {path.relative_to(root): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in paths.items() if "__pycache__" not in name.parts}


def differences(expected: Mapping[str, bytes], found: Mapping[str, bytes]) -> Iterator[str]:
    """Describe, path by path, how the files found differ from the expected ones."""
    for path in sorted(expected.keys() | found.keys()):
        if path not in found:
            yield f"{path}: missing"
        elif path not in expected:
            yield f"{path}: nothing generates it"
        elif expected[path] != found[path]:
            yield f"{path}: differs"
