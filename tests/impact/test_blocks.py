import numpy as np
import pytest

from modelwarden.errors import InputError
from modelwarden.impact.blocks import BLOCK, TILE, Block, check_block, even, join, tiles


def rows(n, start=0):
    y = np.arange(start, start + n)
    return Block(y[:, None] * 1.0, y)


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1], [BLOCK], [BLOCK - 1, 1, 1], [0, 2 * BLOCK + 5], [30_000] * 5, [3, BLOCK, 0, 9]],
)
def test_pieces_of_any_size_become_blocks_of_one_size_in_the_same_order(sizes):
    starts = np.cumsum([0, *sizes])
    blocks = list(even(rows(n, start) for n, start in zip(sizes, starts, strict=False)))

    total = sum(sizes)
    assert [len(block.y) for block in blocks] == [
        min(BLOCK, total - begin) for begin in range(0, total, BLOCK)
    ]
    assert np.array_equal(np.concatenate([[], *(b.y for b in blocks)]), np.arange(total))
    assert all(np.array_equal(block.x[:, 0], block.y) for block in blocks)


def test_weights_travel_with_their_rows():
    pieces = [Block(np.zeros((n, 1)), np.zeros(n, int), np.full(n, n)) for n in (2, 3)]

    assert join(pieces).weight.tolist() == [2, 2, 3, 3, 3]
    assert join(pieces).part(np.array([True, False, False, False, True])).weight.tolist() == [2, 3]


def test_tiles_divide_a_block_and_cover_every_row():
    assert BLOCK % TILE == 0
    covered = [range(2 * TILE + 1)[rows] for rows in tiles(2 * TILE + 1)]
    assert [len(part) for part in covered] == [TILE, TILE, 1]
    assert list(tiles(0)) == []


@pytest.mark.parametrize("codes", [[-1, 0], [0, 2]])
def test_class_codes_out_of_range_are_refused(codes):
    with pytest.raises(InputError, match="class codes: expected 0 to 1"):
        check_block(Block(np.zeros((2, 1)), np.array(codes)), 2)


@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_weights_below_zero_are_refused(weight):
    with pytest.raises(InputError, match="sample weights: expected 0 or more"):
        check_block(Block(np.zeros((2, 1)), np.array([0, 1]), np.array([1.0, weight])), 2)
