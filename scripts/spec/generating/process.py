"""Run openapi-python-client in a process of its own, and print its warnings as JSON.

Its command prints the same for people, without the structure, and with addresses of Python objects among the text.
Arguments: the document, the configuration, and the folder to create.
"""

import json
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser.errors import ParseError

# The generator does not print the names of the document, because the hash of an object changes.
_HIDDEN = re.compile(r"<openapi_python_client\.\S+ object at 0x[0-9a-f]+>")


def main() -> None:
    """Generate, and print a list of objects with `header`, `detail` and `place`."""
    document, config, output = map(Path, sys.argv[1:])
    settings = Config.from_sources(ConfigFile.load_from_path(config), MetaType.NONE, document, "utf-8", False, output)  # noqa: FBT003 - its signature
    with redirect_stdout(sys.stderr):
        warnings = generate(config=settings)
    found = []
    for warning in warnings:
        data = warning.data.model_dump(by_alias=True) if isinstance(warning, ParseError) and warning.data else {}
        place = data.get("x-at")
        found.append(
            {
                "header": _HIDDEN.sub("…", warning.header).strip(),
                "detail": _HIDDEN.sub("…", warning.detail or "").strip(),
                "place": place if isinstance(place, str) else None,
            }
        )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
