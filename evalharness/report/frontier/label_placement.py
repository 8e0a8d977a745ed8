"""Where labels go beside their points so that none covers another or a point; one without room is left out."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 7.0
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
RINGS = (1.0, 2.2, 3.6, 5.2)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, from its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: "Box") -> bool:
        return (
            self.x < other.x + other.width and other.x < self.x + self.width
            and self.y < other.y + other.height and other.y < self.y + self.height
        )  # fmt: skip

    def within(self, other: "Box") -> bool:
        return (
            self.x >= other.x and self.y >= other.y
            and self.x + self.width <= other.x + other.width and self.y + self.height <= other.y + other.height
        )  # fmt: skip


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    taken: Sequence[Box] = (),
    better_not: Sequence[Box] = (),
    scale: float = 1.0,
) -> list[Box | None]:
    """A box of each size near its point, within the area, clear of `taken` and of each other; None where none is.

    Of the boxes that will do, the nearest that meets fewest of `better_not`, such as lines. Earlier points choose
    first. Distances grow with `scale`, pixels per point of type.
    """
    placed: list[Box] = list(taken)
    found: list[Box | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        boxes = [
            box
            for ring in RINGS
            for right, up in DIRECTIONS
            for box in [_beside(x, y, width, height, right, up, GAP * ring * scale)]
            if box.within(area) and not any(box.meets(other) for other in placed)
        ]
        box = min(boxes, key=lambda each: sum(each.meets(line) for line in better_not), default=None)
        found.append(box)
        if box:
            placed.append(box)
    return found


def _beside(x: float, y: float, width: float, height: float, right: int, up: int, gap: float) -> Box:
    """A box whose nearest edge or corner is `gap` from the point in that direction."""
    if right and up:
        gap *= 0.75
    left = x + gap if right > 0 else x - gap - width if right < 0 else x - width / 2
    low = y + gap if up > 0 else y - gap - height if up < 0 else y - height / 2
    return Box(left, low, width, height)
