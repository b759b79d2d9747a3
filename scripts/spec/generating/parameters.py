"""The rules for parameters: what the generator can express, and what it would refuse or send wrongly."""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from openapi_python_client.strings import PythonIdentifier

from spec.documents import Json, JsonObject, Place, as_object
from spec.generating.schemas import SchemaRules
from spec.python_names import PREFIX, identifier

# Names that the generated functions use themselves: always, or if there are parameters in a certain place.
_VARIABLES = frozenset({"asyncio_detailed", "kwargs", "response", "sync_detailed"})
_VARIABLES_FOR = {"query": "params", "header": "headers", "cookie": "cookies", "path": "quote"}
_PATH_NAME = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class ParameterRules:
    """The rules, applied to the parameters of one document.

    Attributes:
        rules: The rules for its schemas, which collect the notes.
    """

    rules: SchemaRules

    def listed(self, parameters: list[Json], at: Place) -> list[Json]:
        """Return the parameters of a path or an operation as the generator can express them."""
        result: list[Json] = []
        for index, given in enumerate(parameters):
            parameter = self.rules.look.last_reference(given)
            resolved = self.rules.look.follow(parameter)
            name = str(resolved.get("name"))
            if resolved.get("in") == "header" and name.lower() in {"accept", "content-type", "authorization"}:
                continue  # OpenAPI ignores these, because a client sets them
            if resolved.get("in") == "path" and _identifier(name) != name:
                # The name of a path parameter never reaches the server.
                parameter = deepcopy(resolved) | {"name": _identifier(name)}
            if resolved.get("style") == "deepObject":
                result.extend(self._deep_object(resolved, (*at, index)))
                continue
            if isinstance(parameter, dict) and "$ref" not in parameter:
                self.one(parameter, (*at, index))
            result.append(parameter)
        return result

    def distinguished(self, parameters: list[Json], at: Place, *, has_body: bool) -> list[Json]:
        """Leave out the optional parameters whose argument would have the name of another one."""
        result: list[Json] = []
        used = {_VARIABLES_FOR.get(str(self.rules.look.follow(one).get("in")), "") for one in parameters} | _VARIABLES
        used |= {"body", "headers"} if has_body else set[str]()
        taken: dict[str, list[tuple[Json, str]]] = {name: [(None, ""), (None, "")] for name in used}
        for parameter in parameters:
            resolved = self.rules.look.follow(parameter)
            name = str(resolved.get("name"))
            same = taken.setdefault(identifier(name), [])
            own = (resolved.get("in"), PythonIdentifier(name, PREFIX, skip_snake_case=True))
            # The generator distinguishes two by their places, or else by the letters of their names.
            clashes = len(same) > 1 or any(other[1] == own[1] for other in same if other[0] == own[0])
            if clashes and not resolved.get("required"):
                self.rules.note(
                    at,
                    f"the function has no argument for the {own[0]} parameter {name!r}, because the function or another"
                    " argument uses its name: send a request with it by `client.get_httpx_client()`",
                )
                continue
            same.append(own)
            result.append(parameter)
        return result

    def _deep_object(self, parameter: JsonObject, at: Place) -> Iterator[JsonObject]:
        """Yield a parameter for each property, because the generator would send `a=1` for `filter[a]=1`."""
        name, schema = str(parameter.get("name")), self.rules.look.resolve(parameter.get("schema", {}))
        properties = as_object(as_object(schema).get("properties"))
        if not properties:
            self.rules.note(at, f"the parameter {name!r} becomes one for each key: write the keys as `{name}[key]`")
            yield parameter
        for key, value in properties.items():
            one: JsonObject = {"name": f"{name}[{key}]", "in": "query", "schema": deepcopy(value)}
            self.one(one, at)
            yield one

    def one(self, parameter: JsonObject, at: Place) -> None:
        """Change one parameter in place, so that the generator can express it."""
        parameter.pop("examples", None)
        if "$ref" in parameter:
            return
        name, where = parameter.get("name"), parameter.get("in")
        if content := as_object(parameter.pop("content", None)):
            # The generator leaves such a parameter out.
            parameter["schema"] = {"type": "string"}
            self.rules.note(
                at, f"the argument for the parameter {name!r} is a string: give it as {next(iter(content))}"
            )
            return
        schema = parameter.setdefault("schema", {})
        kind = self.rules.look.kind(schema)
        if kind == "array" and (where != "query" or not _repeats(parameter)):
            # The generator would repeat the parameter, or print a Python list.
            parameter["schema"] = {"type": "string"}
            advice = "join the items by the separator that the API expects"
            self.rules.note(at, f"the argument for the parameter {name!r} is a string, not a list: {advice}")
        elif (where in {"header", "path", "cookie"} and not self.rules.look.is_plain(schema)) or (
            where in {"path", "cookie"} and kind == "boolean"  # the generated code would send `True`
        ):
            parameter["schema"] = {"type": "string"}
            advice = "give it the text that the API expects"
            self.rules.note(at, f"the argument for the parameter {name!r} is a string: {advice}")
        elif where == "query" and kind != "object" and self.rules.look.has_no_text(schema):
            parameter["schema"] = {"type": "string"}
            advice = "write the objects as the API expects them"
            self.rules.note(at, f"the argument for the parameter {name!r} is a string: {advice}")
        else:
            for key, value in self.rules.look.all_properties(schema).items() if where == "query" else ():
                if self.rules.look.has_no_text(value):
                    advice = "omit it, or write the request by `client.get_httpx_client()`"
                    self.rules.note(at, f"{key!r} of the parameter {name!r} is sent as Python prints it: {advice}")
            self.rules.add(schema, (*at, "schema"), lambda widened: parameter.update(schema=widened))


def _repeats(parameter: JsonObject) -> bool:
    """Return whether the items of an array are sent as `a=1&a=2`, which is what the generated code does."""
    return parameter.get("style", "form") == "form" and parameter.get("explode", True) is not False


def path_with_identifiers(path: str) -> str:
    """Return a path whose parameters have the names that the rules give them."""
    return _PATH_NAME.sub(lambda match: "{" + _identifier(match[1]) + "}", path)


def _identifier(name: str) -> str:
    """Return a path parameter's name with nothing that the generator does not find in a path."""
    return name if re.fullmatch(r"[A-Za-z_-][A-Za-z0-9_-]*", name) else "p_" + re.sub(r"\W", "_", name)
