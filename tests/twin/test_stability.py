"""Turner's method, cell by cell against EPA-454/R-99-005 Table 6-4."""

from __future__ import annotations

import pytest

from twin.kernels.stability import pasquill

# Knots of a row, and its classes for net radiation index 4…-2; 7 counts as 6 in regulatory work.
TABLE = {
    (0, 1): "1123467", (2, 3): "1223467", (4, 5): "1234456", (6,): "2234456", (7,): "2234445",
    (8, 9): "2334445", (10,): "3344445", (11,): "3344444", (12, 25): "3444444",
}  # fmt: skip
# What sun and cloud make each index: strong, moderate, slight, low sun; overcast; cloudy and clear night.
SKY = {4: (70.0, 0.0), 3: (45.0, 0.0), 2: (25.0, 0.0), 1: (8.0, 0.0), 0: (45.0, 1.0), -1: (-20.0, 0.6), -2: (-20.0, 0.2)}


@pytest.mark.parametrize("index", SKY)
@pytest.mark.parametrize(("row", "classes"), TABLE.items(), ids=[str(r[0]) for r in TABLE])
def test_every_cell_of_the_table(row, classes, index):
    for knots in row:
        assert 1 + pasquill(*SKY[index], knots * 0.514444) == min(int(classes[4 - index]), 6)


@pytest.mark.parametrize(
    ("wind_m_s", "row"),
    [(0.7, (0, 1)), (0.8, (2, 3)), (1.8, (2, 3)), (1.9, (4, 5)), (2.8, (4, 5)), (2.9, (6,)), (3.3, (6,)), (3.4, (7,)), (3.8, (7,)), (3.9, (8, 9)),
     (4.8, (8, 9)), (4.9, (10,)), (5.4, (10,)), (5.5, (11,)), (5.9, (11,)), (6.0, (12, 25))],
)  # fmt: skip
def test_the_rows_end_where_the_table_ends_them_in_metres_a_second(wind_m_s, row):
    for index, sky in SKY.items():
        assert 1 + pasquill(*sky, wind_m_s) == min(int(TABLE[row][4 - index]), 6)


def test_broken_cloud_takes_one_class_of_the_sun_and_an_overcast_sky_all():
    assert pasquill(70.0, 0.7, 1.0) == pasquill(45.0, 0.0, 1.0)
    assert pasquill(70.0, 1.0, 1.0) == pasquill(-20.0, 1.0, 1.0) == 3
