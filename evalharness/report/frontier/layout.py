"""The arrangement of the frontier plot's panels: side by side, or one below the other for a phone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The arrangement of the frontier plot's panels: columns, sizes in inches, text widths in characters."""

    columns: int
    """Panels side by side."""
    width: float
    """Width of a panel, in inches."""
    height: float
    legend_columns: int
    labels: int
    """Labels in a panel."""
    dpi: int
    label_width: int = 34
    title_width: int = 80
    axis_width: int = 72
    panel_distance: float = 0.95
    """Distance between the axes of two panels, one below the other, in inches: room for axis label and title."""
    name: str = "point"
    """The beginning of the ids of markers in an SVG."""


MANY_PANELS = 10
"""From this number of panels, each has fewer labels and fewer dots per inch."""
LABELS, LABELS_OF_MANY = 40, 16
DPI, DPI_OF_MANY = 150, 110
NARROW = Layout(
    1,
    3.9,
    4.0,
    2,
    LABELS_OF_MANY,
    DPI,
    label_width=20,
    title_width=44,
    axis_width=44,
    panel_distance=1.25,
    name="narrow-point",
)
"""The layout for a window as narrow as a phone's, in which the plot's text is about 10 pixels high."""


def make_wide_layout(panel_count: int) -> Layout:
    """Returns the layout of a frontier plot with `panel_count` panels, for a page or a wide window."""
    many = panel_count >= MANY_PANELS
    columns = 1 if panel_count == 1 else 2 if panel_count <= 4 else 3 if panel_count <= 9 else 4
    return Layout(
        columns,
        *((7.6, 5.4) if panel_count == 1 else (5.4, 4.1)),
        legend_columns=4 if panel_count == 1 else 8,
        labels=LABELS_OF_MANY if many else LABELS,
        dpi=DPI_OF_MANY if many else DPI,
    )
