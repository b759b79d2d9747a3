"""Measure every change again, and write the table into docs/compatibility.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))  # as pytest does


def main() -> None:
    """Update the page."""
    from tests.interop.compatibility.page import PAGE, measure, rewritten  # noqa: PLC0415 - once the path is set

    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), measure()), encoding="utf-8")


if __name__ == "__main__":
    main()
