"""The corpus: where the inputs of a target are kept, and how new ones are added.

`seeds.py` holds what people wrote. `corpus/TARGET.zip` holds what the fuzzer found, and seeds too long to be read. An
archive is written without times or compression and in the order of names, so that the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from tests.fuzzing.seeds import SEEDS

CORPUS: Final = Path(__file__).parent / "corpus"
_NAME_LENGTH: Final = 12


def read_inputs(target: str) -> dict[str, bytes]:
    """Return all inputs of a target by name: the seeds first, then those of its archive."""
    return SEEDS[target] | read_archive(target)


def read_archive(target: str) -> dict[str, bytes]:
    path = CORPUS / f"{target}.zip"
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_bytes(inputs: Mapping[str, bytes]) -> bytes:
    """Return the archive that holds these inputs."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(inputs):
            archive.writestr(zipfile.ZipInfo(name), inputs[name])
    return buffer.getvalue()


def add_inputs(target: str, found: Iterable[bytes]) -> int:
    """Add inputs to a target's archive, each under its hash, and return how many of them were new."""
    known = set(read_inputs(target).values())
    new = {hashlib.sha256(data).hexdigest()[:_NAME_LENGTH]: data for data in found if data not in known}
    if new:
        (CORPUS / f"{target}.zip").write_bytes(archive_bytes(read_archive(target) | new))
    return len(new)
