import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from farsighted.report.labels import Anchor, label_line_ends, label_points


@pytest.fixture
def axes():
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    return figure.subplots()


def boxes(axes):
    axes.figure.draw_without_rendering()
    renderer = axes.figure.canvas.get_renderer()
    # As plain text: an annotation counts its leader line as part of itself.
    return [Text.get_window_extent(text, renderer) for text in axes.texts]


def overlap(a, b):
    return max(min(a.x1, b.x1) - max(a.x0, b.x0), 0) * max(min(a.y1, b.y1) - max(a.y0, b.y0), 0)


def test_names_of_crowded_points_cover_neither_each_other_nor_leave_the_frame(axes):
    rng = np.random.default_rng(0)
    points = [Anchor(*rng.normal(0.5, 0.06, 2), f"selector_{number}") for number in range(8)]
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    label_points(axes, points)
    found, frame = boxes(axes), axes.get_window_extent()
    assert len(found) == 8
    assert all(overlap(a, b) == 0 for a, b in itertools.combinations(found, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in found)


def test_a_lonely_point_has_its_name_to_the_right(axes):
    axes.plot([0, 1], [0, 1])
    label_points(axes, [Anchor(0.5, 0.5, "loss")])
    (text,) = axes.texts
    assert text.get_ha() == "left"
    assert text.arrow_patch is None


def test_names_at_line_ends_keep_their_order_and_do_not_touch(axes):
    axes.set_xlim(0, 2)
    axes.set_ylim(0, 100)
    label_line_ends(axes, [Anchor(1, 50 + 0.1 * number, f"s{number}") for number in range(6)])
    middles = {text.get_text(): box.y0 + box.y1 for text, box in zip(axes.texts, boxes(axes), strict=True)}
    assert sorted(middles, key=middles.get) == [f"s{number}" for number in range(6)]
    assert all(overlap(a, b) == 0 for a, b in itertools.combinations(boxes(axes), 2))


def test_on_an_inverted_axis_the_order_is_that_of_the_eye(axes):
    axes.set_ylim(3, 0)
    label_line_ends(axes, [Anchor(0.5, 1, "best"), Anchor(0.5, 1.01, "second"), Anchor(0.5, 2, "last")], left=True)
    middles = {text.get_text(): box.y0 for text, box in zip(axes.texts, boxes(axes), strict=True)}
    assert sorted(middles, key=middles.get) == ["last", "second", "best"]


def test_names_that_are_far_apart_stay_where_their_lines_end(axes):
    axes.set_ylim(0, 100)
    label_line_ends(axes, [Anchor(0.5, 20, "a"), Anchor(0.5, 80, "b")])
    assert [text.xyann[1] for text in axes.texts] == pytest.approx([0, 0], abs=1e-6)


def test_more_names_than_fit_stay_inside_the_frame(axes):
    axes.set_ylim(0, 1)
    label_line_ends(axes, [Anchor(0.5, 0.9, f"s{number}") for number in range(60)])
    frame = axes.get_window_extent()
    middles = [(box.y0 + box.y1) / 2 for box in boxes(axes)]
    assert frame.y0 - 2 < min(middles)
    assert max(middles) < frame.y1 + 2


def test_nothing_to_name_is_no_trouble(axes):
    label_points(axes, [])
    label_line_ends(axes, [])
    assert len(axes.texts) == 0
