"""Which kinds of change break programs that use the generated package, and why.

A program is correct, passes mypy --strict, constructs models with keyword arguments, and matches values of an enum with
a case for all others. It breaks if the new server refuses what yesterday's package sends, if yesterday's package does
not understand what the new server sends, or if the program does not run or type-check with the new package.
"""

from typing import NamedTuple


class Verdict(NamedTuple):
    """What a kind of change is called, whether it breaks programs, and why."""

    says: str
    breaks: bool
    why: str


def _breaks(says: str, why: str) -> Verdict:
    return Verdict(says, breaks=True, why=why)


def _keeps(says: str, why: str) -> Verdict:
    return Verdict(says, breaks=False, why=why)


_IGNORED = "the generator ignores it"
_NAMELESS = "only schemas become classes, so the name of this part does not matter"
_NEW_KEYWORD = "a new keyword with a default leaves calls as they are"
_OLD_CALLS = "calls that give it are as right as before"
_REFUSED = "calls without it do not type-check, and the server refuses them"

VERDICTS: dict[str, Verdict] = {
    # The document.
    "document-changed": _keeps("changes", "only docstrings show it, or nothing does"),
    "description-changed": _keeps("changes", "only docstrings and people read it"),
    "extension-changed": _keeps("changes", _IGNORED),
    "keyword-changed": _keeps("changes", _IGNORED),
    "deprecated": _keeps("is deprecated", "it works as before, and the generator ignores the mark"),
    "undeprecated": _keeps("is no longer deprecated", _IGNORED),
    "server-added": _keeps("is added", "the other servers are as they were"),
    "server-removed": _breaks("is removed", "programs send their requests there"),
    "server-respelled": _keeps("is spelled differently", "clients join both with a path in the same way"),
    "tags-changed": _keeps("change", "only the first tag of an operation has a meaning for the generator"),
    "security-scheme-added": _keeps("is added", "operations that need it are listed themselves"),
    "security-scheme-removed": _keeps("is removed", "operations that needed it are listed themselves"),
    "security-scheme-renamed": _keeps("is renamed", "programs do not use its name"),
    "security-scheme-changed": _breaks("changes", "the server refuses the credentials that programs send"),
    "shared-part-added": _keeps("is added", _NAMELESS),
    "shared-part-removed": _keeps("is removed", _NAMELESS),
    "shared-part-renamed": _keeps("is renamed", _NAMELESS),
    "shared-part-changed": _keeps("changes", "no operation uses it"),
    # Operations.
    "operation-added": _keeps("is added", "a new operation is a new module, which nobody imports yet"),
    "operation-removed": _breaks("is removed", "its module is gone, and the server refuses its request"),
    "operation-renamed": _breaks("is renamed", "the operationId names the module"),
    "operation-respelled": _keeps("is spelled differently", "both names make the same module"),
    "operation-moved": _breaks("moves", "yesterday's package sends its request to an address that is gone"),
    "tag-renamed": _breaks("changes", "the first tag names the folder of the modules"),
    "tag-respelled": _keeps("is spelled differently", "both names make the same folder"),
    "security-added": _breaks(
        "needs credentials", "a client without credentials does not type-check, and the server refuses it"
    ),
    "security-removed": _keeps(
        "needs no credentials any more", "the function accepts any client, and the server accepts credentials as before"
    ),
    "security-narrowed": _breaks("accepts other credentials", "the server refuses credentials that it accepted"),
    "security-widened": _keeps("accepts more credentials", "the server accepts the same ones as before"),
    # Parameters.
    "parameter-added": _keeps("is added", _NEW_KEYWORD),
    "parameter-required-added": _breaks("is added and required", _REFUSED),
    "parameter-removed": _breaks("is removed", "its keyword is gone, and the server ignores it"),
    "parameter-renamed": _breaks("is renamed", "its keyword is gone"),
    "parameter-respelled": _keeps("is spelled differently", "both names make the same keyword, and the URL stays"),
    "parameter-keyword-changed": _breaks(
        "gets another keyword", "another parameter of the operation has the same Python name, or had it"
    ),
    "parameter-moved": _breaks("moves", "yesterday's package sends it where the server ignores it"),
    "parameter-required": _breaks("becomes required", _REFUSED),
    "parameter-optional": _keeps("becomes optional", _OLD_CALLS),
    "parameter-format-changed": _breaks(
        "is written differently", "yesterday's package writes it in a way that the server does not read"
    ),
    # Bodies.
    "body-added": _keeps("is added", _NEW_KEYWORD),
    "body-required-added": _breaks("is added and required", _REFUSED),
    "body-removed": _breaks("is removed", "the keyword body is gone"),
    "body-required": _breaks("becomes required", _REFUSED),
    "body-optional": _keeps("becomes optional", _OLD_CALLS),
    "body-type-added": _keeps("may be of one more content type", "bodies of the others are as right as before"),
    "body-type-replaced": _breaks(
        "is of another class", "the argument takes other classes if generated code sends other content types"
    ),
    "body-type-unsent": _keeps("loses a content type", "generated code never sent it"),
    "body-type-removed": _breaks(
        "loses a content type", "the server refuses the bodies of this type that yesterday's package sends"
    ),
    # Responses.
    "response-added": _keeps(
        "is added", "yesterday's package returns None for it, as for all errors that are not described"
    ),
    "response-success-added": _breaks(
        "is added", "yesterday's package returns None for it, as for all that is not described"
    ),
    "response-class-added": _breaks(
        "is added with a class of its own", "the function returns one more class, so attributes need a test first"
    ),
    "response-removed": _keeps("is removed", "programs have one case too many"),
    "response-class-removed": _breaks(
        "is removed with its class", "programs that name the type of the result do not type-check"
    ),
    "response-success-removed": _breaks("is removed", "the server says otherwise what it said by it"),
    "content-type-added": _keeps("is added", "generated code reads another one"),
    "content-type-removed": _keeps("is removed", "generated code reads another one"),
    "content-type-changed": _breaks(
        "is not what generated code reads any more", "yesterday's package reads a type that the server no longer sends"
    ),
    "content-type-respelled": _keeps("is of another type", "generated code reads both in the same way"),
    "header-added": _keeps("is added", "nobody reads it yet"),
    "header-removed": _breaks("is removed", "programs that read it find nothing"),
    "header-changed": _breaks("gets another type", "programs that read its text find another one"),
    # Types.
    "parameter-type-narrowed": _breaks("gets another type", "values of the old type do not type-check"),
    "parameter-type-widened": _keeps("gets a wider type", "values of the old type are as right as before"),
    "field-type-changed": _breaks("gets another type", "programs that read it or give it to the constructor break"),
    "response-type-changed": _breaks("gets another type", "the function returns what it did not return before"),
    "response-type-narrowed": _keeps("gets a narrower type", "programs have one case too many"),
    # Schemas.
    "field-added": _keeps("is added", "a new optional field is a new keyword with a default"),
    "field-required-added": _breaks("is added and required", "the constructor gets a required argument"),
    "field-removed": _breaks("is removed", "its attribute is gone, or reads what the server no longer sends"),
    "field-attribute-renamed": _breaks(
        "gets another attribute", "another field of the object has the same Python name, or had it"
    ),
    "field-required": _breaks("becomes required", "the constructor gets a required argument"),
    "field-optional": _breaks("becomes optional", "programs that read it may get UNSET"),
    "value-added": _keeps("is added", "a request may say more than before"),
    "value-added-open": _keeps("is added", "the enum is open, so yesterday's package reads the new value as a str"),
    "value-added-closed": _breaks("is added", "the enum is closed, so yesterday's package raises ValueError"),
    "value-removed": _breaks("is removed", "its member is gone"),
    "value-member-renamed": _breaks(
        "gets another member", "another value has the same Python name, or the place in the list gives the name"
    ),
    "limit-tightened": _breaks("becomes tighter", "the server refuses some of what it accepted, though types stay"),
    "limit-loosened": _keeps("becomes wider", "what was right still is"),
    "limit-unchecked": _keeps("changes", "generated code does not check it in what the server sends"),
    "default-changed": _breaks("changes", "calls that do not give it send something else than before"),
    "additional-properties-closed": _breaks(
        "are forbidden", "the attribute additional_properties and access by key are gone"
    ),
    "additional-properties-opened": _keeps("are allowed", "the class gets the attribute additional_properties"),
    "additional-properties-changed": _breaks("get another type", "so do the values of additional_properties"),
    "component-added": _keeps("is added", "a new class changes no program"),
    "component-removed": _breaks("is removed", "its class is gone, which programs may have imported"),
    "component-alias-removed": _keeps("is removed", "it made no class"),
    "component-renamed": _breaks("gets another class name", "programs import the class by its name"),
    "class-renumbered": _breaks("gets another name", "another class of the document has the same one, or had it"),
    "component-respelled": _keeps("is spelled differently", "both names make the same class"),
    "facade-violated": _keeps("is violated", "it is the facade alone that relies on it"),
}
