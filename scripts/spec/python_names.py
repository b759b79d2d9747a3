"""The Python names that the generator makes of names in a document, by its own functions."""

from functools import cache
from typing import Final

from openapi_python_client.strings import ClassName, PythonIdentifier

PREFIX: Final = "field_"  # what the generator puts before a name that is no identifier


@cache
def identifier(name: str) -> str:
    """Return the name of the module of an operation, of a parameter, of a field, or of the package of a tag."""
    return str(PythonIdentifier(name, PREFIX))


@cache
def class_name(name: str) -> str:
    """Return the name of a class."""
    return str(ClassName(name, PREFIX))
