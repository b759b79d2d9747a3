"""What is wrong with a text, by its lines, and the limits that hold for JSON and YAML alike."""

from typing import NamedTuple

MAX_DEPTH = 128  # far from Python's own limit, which a recursive function that reads the document would meet
MAX_DIGITS = 400  # the largest float has 309
MAX_FAULTS = 100  # that are reported of one document

TOO_DEEP = f"objects and arrays are nested deeper than {MAX_DEPTH} levels"
TOO_MANY_DIGITS = f"a number has more than {MAX_DIGITS} digits"
HALF_A_PAIR = "a string has half of a surrogate pair, which is not a character"


class Fault(NamedTuple):
    """A fault in a text.

    Attributes:
        line: The line of the text, from 1.
        reason: What is wrong there.
        advice: What to do.
    """

    line: int
    reason: str
    advice: str = ""


class FaultyTextError(Exception):
    """A text is not a document; names all faults that were found."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.faults = faults


def beyond_floats(number: str) -> str:
    """Return what is wrong with a number that becomes infinite."""
    return f"{number[:40]} is larger than any number that JSON parsers can read"
