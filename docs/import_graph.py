"""The directive `import-graph`: a picture of the package's rooms, drawn from its real imports as inline SVG."""

# ruff: noqa: INP001 - a Sphinx extension, found by its path

from __future__ import annotations

import tomllib
from collections import Counter
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import grimp
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PACKAGE = "impact_jobs"
PUBLIC = "impact_jobs"  # the box of the public names: the package itself and the two clients
LEAVES = "leaves"
ON_TOP = ("cli", "sandbox", "pytest_plugin", "airflow")
STACK = (PUBLIC, "_operations", "_download", "_api", "_policy", "_transport", "httpx", "impact_agency_api")
EXTERNAL = STACK[-2:]

# Pixels.
WIDTH, LEFT, RIGHT, LEAVES_LEFT = 760, 120, 530, 600
TOP_HEIGHT, HEIGHT, GAP = 36, 70, 26
PITCH = HEIGHT + GAP
LANE, PORT = 11, 10
LINE_CHARACTERS = 68  # that fit the width of a box


class ImportGraph(SphinxDirective):  # type: ignore[misc]  # Sphinx is installed only where `make docs` runs
    """Draws the picture in place of the directive."""

    def run(self) -> list[nodes.Node]:
        """Return the SVG; draw it anew in every build, because the code changes more often than the page."""
        self.env.note_reread()
        return [nodes.raw("", svg(), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("import-graph", ImportGraph)
    return {"parallel_read_safe": True}


def leaf_layers() -> list[list[str]]:
    """Return the layers below `_transport`, as pyproject.toml states them for the linter."""
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return [layer.split(" | ") for layer in layers[layers.index("_transport") + 1 :]]


def modules_by_room() -> tuple[dict[str, list[str]], Counter[tuple[str, str]]]:
    """Return the modules of each room, and how many of its modules import how many modules of another room."""
    leaves = {name for layer in leaf_layers() for name in layer}

    def room(module: str) -> str:
        top, _, rest = module.partition(".")
        name = rest.partition(".")[0]
        if top != PACKAGE:
            return top
        if name in leaves:
            return LEAVES
        return name if name in (*ON_TOP, *STACK) else PUBLIC

    graph = grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)
    modules: dict[str, list[str]] = {}
    imports: Counter[tuple[str, str]] = Counter()
    for module in sorted(graph.modules):
        importer = room(module)
        modules.setdefault(importer, []).append(module)
        for imported in graph.find_modules_directly_imported_by(module):
            target = room(imported)
            if importer in ON_TOP and target not in ON_TOP and imported.startswith(PACKAGE):
                target = PUBLIC  # they may use public names only
            imports[importer, target] += 1
    return modules, imports


def svg() -> str:
    """Draw the rooms from top to bottom, with an arrow and a count for the imports from one to another."""
    modules, imports = modules_by_room()
    top = {name: TOP_HEIGHT + GAP + row * PITCH for row, name in enumerate(STACK)}
    parts = [*_top_row(imports, top[PUBLIC])]
    for name in STACK:
        parts += _box(LEFT, top[name], width=RIGHT - LEFT, name=name, contents=_contents(name, modules[name]))
        if count := imports[name, LEAVES]:
            middle = top[name] + HEIGHT / 2
            parts += _arrow([(RIGHT, middle), (LEAVES_LEFT, middle)], count)
    for upper, lower in pairwise(STACK):
        if count := imports[upper, lower]:
            middle = (LEFT + RIGHT) / 2
            parts += _arrow([(middle, top[upper] + HEIGHT), (middle, top[lower])], count)
    parts += _side_arrows(imports, top)
    parts += _leaves(top[PUBLIC], top["_transport"] + HEIGHT)
    if count := imports[LEAVES, EXTERNAL[1]]:
        middle = (LEAVES_LEFT + WIDTH) / 2
        end = top[EXTERNAL[1]] + HEIGHT / 2
        parts += _arrow([(middle, top["_transport"] + HEIGHT), (middle, end), (RIGHT, end)], count)
    height = top[STACK[-1]] + HEIGHT + 1
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" class="import-graph"'
        ' aria-label="The parts of the package, and how many imports lead from one to another">'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    return "\n".join([head, *parts, "</svg>"])


def _contents(room: str, modules: list[str]) -> str:
    """List the modules of a room, without its package."""
    if room in EXTERNAL:
        return "from outside" if room == "httpx" else "generated from the specification"
    names = [module.rpartition(".")[2] for module in modules if module not in {PACKAGE, f"{PACKAGE}.{room}"}]
    return ", ".join(names)


def _top_row(imports: Counter[tuple[str, str]], bottom: float) -> list[str]:
    """Draw the packages that use the public names only, the last one above the leaves."""
    width = (RIGHT - LEFT - 2 * GAP) / 3
    parts: list[str] = []
    *beside, last = ON_TOP
    for column, name in enumerate(beside):
        left = LEFT + column * (width + GAP)
        parts += _box(left, 1, width=width, height=TOP_HEIGHT, name=name)
        middle = left + width / 2
        parts += _arrow([(middle, TOP_HEIGHT), (middle, bottom)], imports[name, PUBLIC])
    parts += _box(LEAVES_LEFT, 1, width=WIDTH - LEAVES_LEFT - 1, height=TOP_HEIGHT, name=last)
    middle, between, end = (LEAVES_LEFT + WIDTH) / 2, TOP_HEIGHT + 5, RIGHT - 20
    parts += _arrow([(middle, TOP_HEIGHT), (middle, between), (end, between), (end, bottom)], imports[last, PUBLIC])
    sandbox = LEFT + width + GAP
    parts += _arrow([(sandbox - GAP, TOP_HEIGHT / 2), (sandbox, TOP_HEIGHT / 2)], imports["cli", "sandbox"])
    plugin = sandbox + width + GAP
    return parts + _arrow(
        [(plugin, TOP_HEIGHT / 2), (plugin - GAP, TOP_HEIGHT / 2)], imports["pytest_plugin", "sandbox"]
    )


def _side_arrows(imports: Counter[tuple[str, str]], top: dict[str, int]) -> list[str]:
    """Draw the imports that skip a row, each in a lane of its own on the left; arrows that overlap never share one."""
    pairs = [(i, j) for i in range(len(STACK)) for j in range(i + 2, len(STACK)) if imports[STACK[i], STACK[j]]]
    lanes: list[list[tuple[int, int]]] = []
    parts: list[str] = []
    for i, j in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair)):
        lane = next((lane for lane in lanes if all(j <= start or end <= i for start, end in lane)), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((i, j))
        leaving = sum(i == start and end < j for start, end in pairs)  # the longest leaves from highest up
        arriving = sum(j == end and start > i for start, end in pairs)  # and arrives lowest
        begin, end = top[STACK[i]] + HEIGHT - 8 - PORT * leaving, top[STACK[j]] + 10 + PORT * arriving
        x = LEFT - 22 - LANE * lanes.index(lane)
        parts += _arrow([(LEFT, begin), (x, begin), (x, end), (LEFT, end)], imports[STACK[i], STACK[j]])
    return parts


def _leaves(top: float, bottom: float) -> list[str]:
    """Draw the small modules that every room may import, in the order of their layers."""
    layers = leaf_layers()
    frame = f'x="{LEAVES_LEFT}" y="{top}" width="{WIDTH - LEAVES_LEFT - 1}" height="{bottom - top}" rx="6"'
    parts = [f'<rect {frame} stroke-dasharray="4 3"/>', _text(LEAVES_LEFT + 12, top + 20, "leaves", kind="name")]
    parts += [_text(LEAVES_LEFT + 12, top + 36, "each imports those below")]
    pitch = (bottom - top - 50) / len(layers)
    for row, layer in enumerate(layers):
        y = top + 50 + row * pitch
        parts.append(
            f'<rect x="{LEAVES_LEFT + 10}" y="{y}" width="{WIDTH - LEAVES_LEFT - 21}" height="{pitch - 12}" rx="4"/>'
        )
        first = y + (pitch - 12) / 2 + 4 - 8 * (len(layer) - 1)
        parts += [_text(LEAVES_LEFT + 20, first + 16 * line, name) for line, name in enumerate(layer)]
    return parts


def _box(left: float, top: float, *, width: float, height: float = HEIGHT, name: str, contents: str = "") -> list[str]:
    """Draw a room with its name and its modules."""
    lines = wrap(contents, LINE_CHARACTERS)
    return [
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        _text(left + 12, top + (20 if lines else height / 2 + 5), name, kind="name"),
        *(_text(left + 12, top + 37 + 14 * number, line) for number, line in enumerate(lines)),
    ]


def _arrow(points: list[tuple[float, float]], count: int) -> list[str]:
    """Draw an arrow with its count beside the head."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    (before_x, _), (x, y) = points[-2:]
    is_vertical = before_x == x
    label_x, label_y, anchor = (x + 5, y - 9, "start") if is_vertical else (x - 9, y - 2, "end")
    if before_x > x:
        label_x, anchor = x + 9, "start"
    return [
        f'<polyline points="{path}" marker-end="url(#head)"/>',
        f'<text x="{label_x:g}" y="{label_y:g}" text-anchor="{anchor}" class="count">{count}</text>',
    ]


def _text(x: float, y: float, text: str, *, kind: str = "modules") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'
