"""Heat maps: a measure over two settings as coloured cells with the number in each, one panel for each series.

Colours diverge around what is right: orange where the figure is on the dangerous side of it, purple on the other, white
where it is right.  The pair is told apart with every common colour blindness, and the number says it without colour.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from riskengine.report.chart import WIDTH, sheet, svg
from riskengine.report.figures import Figure

# on coloured cells text keeps its own colour on dark pages
_DARK, _LIGHT = "#101418", "#fefefe"


@dataclass(frozen=True)
class Tile:
    """One cell.

    Attributes
    ----------
    x, y : float
        Settings that it belongs to.
    tone : float or None
        In [-1, 1]: 0 right, 1 as far as the scale goes on the dangerous side; None where there is no figure.
    text : str
    """

    x: Any
    y: Any
    tone: float | None
    text: str


def heat(
    name: str,
    title: str,
    panels: Sequence[tuple[str, Sequence[Tile]]],
    show: tuple[Callable[[Any], str], Callable[[Any], str]],
    axes_titles: tuple[str, str],
    caption: str,
) -> Figure | None:
    """Panels of cells on one grid.

    Parameters
    ----------
    panels : sequence of (str, sequence of Tile)
    show : pair of callables
        Settings on the two axes as text.
    axes_titles : pair of str
    caption : str
    """
    panels = [(head, tiles) for head, tiles in panels if tiles]
    if not panels:
        return None
    across = sorted({t.x for _, tiles in panels for t in tiles})
    up = sorted({t.y for _, tiles in panels for t in tiles})
    # as many panels beside each other as leave room for the numbers, which shrink with the cells
    columns = min(3 if len(across) <= 8 else 2 if len(across) <= 24 else 1, len(panels))
    deep = -(-len(panels) // columns)
    size = min(9.0, max(4.5, 72.0 * 0.9 * WIDTH / columns / len(across) / 2.9))
    tall = 0.32 if size > 6.0 else 0.2
    with sheet(deep, columns, deep * (0.85 + tall * len(up)) + 0.1) as (figure, axes):
        for number, (ax, (head, tiles)) in enumerate(zip(axes, panels, strict=False)):
            for tile in tiles:
                _cell(ax, across.index(tile.x), up.index(tile.y), tile, size)
            ax.set_xlim(-0.5, len(across) - 0.5)
            ax.set_ylim(-0.5, len(up) - 0.5)
            ax.set_xticks(range(len(across)), [show[0](v) for v in across])
            if size <= 6.0:
                ax.tick_params(axis="x", labelrotation=90, labelsize=6.5)
                ax.tick_params(axis="y", labelsize=7.5)
            first = number % columns == 0
            ax.set_yticks(range(len(up)), [show[1](v) for v in up] if first else [""] * len(up))
            ax.tick_params(length=0)
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.set_title(head)
            # settings written upwards leave no room for their name, which the caption then gives
            ax.set_xlabel(axes_titles[0] if number + columns >= len(panels) and size > 6.0 else "")
            if first:
                ax.set_ylabel(axes_titles[1])
        for ax in axes[len(panels) :]:
            ax.remove()
        drawing = svg(figure, name, title)
    axes_said = f"Across: {axes_titles[0]}. " if size <= 6.0 else ""
    return Figure(name, title, drawing, axes_said + caption)


def _cell(ax: Any, i: int, j: int, tile: Tile, size: float) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    tone = 0.0 if tile.tone is None else min(1.0, max(-1.0, tile.tone))
    colour = "none" if tile.tone is None else to_hex(colormaps["PuOr_r"](0.5 + 0.46 * tone))
    ax.add_patch(Rectangle((i - 0.48, j - 0.46), 0.96, 0.92, facecolor=colour, lw=0))
    ink = _LIGHT if abs(tone) > 0.72 else _DARK
    # a word in a cell made for a number
    text = tile.text if size > 6.0 or len(tile.text) <= 5 else "–"
    if tile.tone is None:
        ax.text(i, j, text, ha="center", va="center", fontsize=size)
    else:
        ax.text(i, j, text, ha="center", va="center", fontsize=size, color=ink)
