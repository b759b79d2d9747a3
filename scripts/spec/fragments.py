"""The fragments of an API's description in `openapi/`: one folder for each group, one file for each fragment."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spec.documents import JsonObject
from spec.texts.sources import Source, read_source

PROVENANCE = "source.json"


@dataclass(frozen=True)
class Fragment:
    """A part of the API's description.

    Attributes:
        name: Its file below `openapi/`, such as `jobs/get-job.json`.
        document: What it says; an OpenAPI document.
        source: The text that it was parsed from, which gives the lines of messages. While a page is imported, that is
            the page.
    """

    name: str
    document: JsonObject
    source: Source

    @property
    def group(self) -> str:
        """The folder below `openapi/`."""
        return self.name.partition("/")[0]

    @classmethod
    def of(cls, name: str, source: Source) -> "Fragment":
        """Parse a fragment.

        Raises:
            SpecError: The text is not one JSON object.
        """
        return cls(name, source.parse(), source)


def read_fragments(openapi: Path, *, without: Iterable[str] = ()) -> list[Fragment]:
    """Read all fragments below a folder, in the order of their names.

    Args:
        openapi: The folder, such as `openapi`; its name begins the file names in messages.
        without: Names of fragments to leave out.

    Raises:
        SpecError: A file can't be read, or isn't one JSON object.
    """
    paths = {path.relative_to(openapi).as_posix(): path for path in openapi.glob("*/*.json")}
    wanted = sorted(paths.keys() - {*without} - {name for name, path in paths.items() if path.name == PROVENANCE})
    return [Fragment.of(name, read_source(paths[name], f"{openapi.name}/{name}")) for name in wanted]
