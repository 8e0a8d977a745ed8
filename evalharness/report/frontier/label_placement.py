"""Places labels in the frontier plot beside their points so that no label covers another label or a point.

The package adjustText moves labels but never omits one: in crowded panels its labels overlap, and 20 panels of 60
points take it three minutes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DISTANCE = 7.0
"""Distance between a point and its label, in points of type, multiplied by each of `RINGS`."""
RINGS = (1.0, 2.2, 3.6, 5.2)
FAR_RINGS = (7.0, 9.0, 11.5, 14.5)
"""As `RINGS`, for a label that fits nowhere nearer: its leader line then shows which point it belongs to."""
DIRECTIONS = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1), (0.5, 1), (0.5, -1), (-0.5, 1), (-0.5, -1),
)  # fmt: skip
"""Where a label may lie: (to the right, upwards), in the order of preference. With 0.5 it begins or ends above or below
the point."""


@dataclass(frozen=True)
class Box:
    """A rectangle in the plot, in pixels; x and y are its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.x < other.x + other.width and other.x < self.x + self.width
            and self.y < other.y + other.height and other.y < self.y + self.height
        )  # fmt: skip

    def distance_to_point(self, x: float, y: float) -> float:
        """Returns the distance of the point (x, y) from the rectangle, in pixels; 0 for a point inside it."""
        return math.dist(self.nearest_point(x, y), (x, y))

    def nearest_point(self, x: float, y: float) -> tuple[float, float]:
        """Returns the point of the rectangle that is nearest to the point (x, y)."""
        return min(max(x, self.x), self.x + self.width), min(max(y, self.y), self.y + self.height)

    def touches_segment(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Returns whether a straight line between two points touches the rectangle."""
        enters, leaves = 0.0, 1.0  # Shares of the way between which the line is within the rectangle
        for low, size, begin, finish in zip((self.x, self.y), (self.width, self.height), start, end, strict=True):
            if begin == finish:
                if not low <= begin <= low + size:
                    return False
                continue
            shares = sorted(((low - begin) / (finish - begin), (low + size - begin) / (finish - begin)))
            enters, leaves = max(enters, shares[0]), min(leaves, shares[1])
        return enters <= leaves

    def lies_within(self, other: "Box") -> bool:
        return (
            self.x >= other.x and self.y >= other.y
            and self.x + self.width <= other.x + other.width and self.y + self.height <= other.y + other.height
        )  # fmt: skip


def place_labels(
    labelled_points: Sequence[tuple[float, float]],
    label_sizes: Sequence[tuple[float, float]],
    plot_area: Box,
    obstacles: Sequence[Box] = (),
    line_boxes: Sequence[Box] = (),
    pixels_per_point: float = 1.0,
    all_points: Sequence[tuple[float, float]] = (),
) -> list[Box | None]:
    """Returns a box for each label near its point, so that no boxes overlap; None for a label that does not fit.

    A box lies within `plot_area`, overlaps no obstacle, and is nearer to its own point than to any of `all_points`, so
    that it cannot be mistaken for another point's label. Of all such boxes, the one that overlaps the fewest
    `line_boxes` (small boxes along the plot's lines) is chosen, and among equals the nearest. Labels without such a box
    come last: they may lie farther away, where a straight line leads to their point without touching another label or
    point; no later label lies on that line. Otherwise the labels of earlier points are placed first. All positions and
    sizes are in pixels; `pixels_per_point` is the number of pixels per typographic point (1/72 inch).
    """
    occupied: list[Box] = list(obstacles)
    boxes: list[Box | None] = [None] * len(labelled_points)
    leaders: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for rings in (RINGS, FAR_RINGS):
        for number, (point, size) in enumerate(zip(labelled_points, label_sizes, strict=True)):
            if boxes[number]:
                continue
            possible = [
                box
                for box in _iterate_candidate_label_boxes(*point, size, rings, pixels_per_point)
                if box.lies_within(plot_area)
                and not any(box.overlaps(other) for other in occupied)
                and not any(box.touches_segment(*leader) for leader in leaders)
                and (
                    _is_nearest_to_own_point(box, point, all_points, pixels_per_point)
                    if rings == RINGS
                    else _is_connectable(box, point, occupied)
                )
            ]
            crossed = [sum(box.overlaps(line) for line in line_boxes) for box in possible]
            if possible:
                box = possible[crossed.index(min(crossed))]
                boxes[number] = box
                occupied.append(box)
                if rings == FAR_RINGS:
                    leaders.append((point, box.nearest_point(*point)))
    return boxes


def _is_connectable(label_box: Box, own_point: tuple[float, float], occupied: Sequence[Box]) -> bool:
    """Returns whether the line from a label's box to its point touches no other label and no other point."""
    end = label_box.nearest_point(*own_point)
    return not any(box.touches_segment(own_point, end) for box in occupied if box.distance_to_point(*own_point) > 0)


def _is_nearest_to_own_point(
    label_box: Box, own_point: tuple[float, float], all_points: Sequence[tuple[float, float]], pixels_per_point: float
) -> bool:
    """Returns whether a label's box is nearer to its own point than to every other point.

    Other points less than 1/72 inch from `own_point` are ignored, because they cannot be distinguished from it.
    """
    distance = label_box.distance_to_point(*own_point)
    return all(
        label_box.distance_to_point(*other) > distance
        for other in all_points
        if math.dist(own_point, other) > pixels_per_point
    )


def _iterate_candidate_label_boxes(
    x: float, y: float, label_size: tuple[float, float], rings: Sequence[float], pixels_per_point: float
) -> Iterator[Box]:
    """Yields possible boxes for a label around its point (x, y), at the distances `rings` (see `RINGS`), in order."""
    for ring in rings:
        for right, up in DIRECTIONS:
            yield _place_box_beside_point(x, y, label_size, right, up, DISTANCE * ring * pixels_per_point)


def _place_box_beside_point(
    x: float, y: float, label_size: tuple[float, float], right: float, up: int, distance: float
) -> Box:
    """Returns the box of a label at a distance, in pixels, from its point (x, y).

    The direction is (`right`, `up`), where each is between -1 and 1.
    """
    width, height = label_size
    if abs(right) == 1 and up:
        distance *= 0.75
    if abs(right) == 1:
        left = x + distance if right > 0 else x - distance - width
    else:
        left = x - width / 2 + 0.9 * right * width
    bottom = y + distance if up > 0 else y - distance - height if up < 0 else y - height / 2
    return Box(left, bottom, width, height)
