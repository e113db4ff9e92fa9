"""Counter-based draws: published vectors, purity, and independence of the block a path is in."""

import numpy as np
import pytest

from riskengine.random import (
    DrawKeys,
    Purpose,
    draw,
    fill_uniforms,
    fill_words,
    normals_from_words,
    philox,
    scattered_words,
)
from riskengine.vecmath import uniform

# Random123 known-answer vectors of philox4x32-10 (Salmon et al. 2011, file kat_vectors): counter, key, result
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "result"), VECTORS)
def test_philox_known_answers(counter, key, result):
    words = [np.uint64(int(w, 16)) for w in (counter + " " + key).split()]
    first, second = philox(*words)
    assert f"{first >> 32:08x} {first & 0xFFFFFFFF:08x} {second >> 32:08x} {second & 0xFFFFFFFF:08x}" == result


def test_draw_places_path_step_purpose_and_asset_in_the_counter():
    k0, k1 = np.uint64(7), np.uint64(9)
    path = (5 << 32) | 11
    assert draw(path, 3, 2, 4, k0, k1) == philox(
        np.uint64(11), np.uint64(3), np.uint64(2), np.uint64(5 | (4 << 16)), k0, k1
    )


def test_every_coordinate_of_the_key_changes_the_draw():
    base = (12, 3, int(Purpose.DIFFUSION), 0, *DrawKeys(1).words())
    others = [
        (13, 3, 1, 0, *DrawKeys(1).words()),
        (12 + 2**32, 3, 1, 0, *DrawKeys(1).words()),
        (12, 4, 1, 0, *DrawKeys(1).words()),
        (12, 3, 2, 0, *DrawKeys(1).words()),
        (12, 3, 1, 1, *DrawKeys(1).words()),
        (12, 3, 1, 0, *DrawKeys(2).words()),
        (12, 3, 1, 0, *DrawKeys(1, group=1).words()),
    ]
    values = {draw(*key) for key in [base, *others]}
    assert len(values) == 1 + len(others)


def test_lanes_do_not_depend_on_where_the_block_starts():
    k0, k1 = DrawKeys(3).words()
    a, b = np.empty(300, np.uint64), np.empty(300, np.uint64)
    fill_words(a, b, 1000, 5, 1, 2, k0, k1)
    c, d = np.empty(77, np.uint64), np.empty(77, np.uint64)
    fill_words(c, d, 1111, 5, 1, 2, k0, k1)
    assert np.array_equal(a[111:188], c) and np.array_equal(b[111:188], d)
    assert [tuple(map(int, draw(1000 + i, 5, 1, 2, k0, k1))) for i in (0, 299)] == [
        (int(a[i]), int(b[i])) for i in (0, 299)
    ]


def test_uniforms_are_open_and_flat():
    out = np.empty(100_000)
    fill_uniforms(out, 0, 0, 1, 0, *DrawKeys(11).words())
    assert 0.0 < out.min() and out.max() < 1.0
    counts = np.histogram(out, bins=50, range=(0.0, 1.0))[0]
    # chi-square with 49 degrees of freedom: 100.9 is exceeded with probability 1.6e-5
    assert ((counts - 2000.0) ** 2 / 2000.0).sum() < 100.9


def test_uniform_of_extreme_words():
    assert uniform(np.uint64(0)) == 2.0**-53
    assert uniform(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53


def test_normals_are_box_muller_of_the_words():
    a, b = np.empty(1001, np.uint64), np.empty(1001, np.uint64)
    z1, z2 = np.empty(1001), np.empty(1001)
    fill_words(a, b, 0, 0, 1, 0, *DrawKeys(5).words())
    normals_from_words(a, b, z1, z2)
    u = np.array([uniform(w) for w in a])
    w = np.array([uniform(x) for x in b])
    r = np.sqrt(-2.0 * np.log(u))
    np.testing.assert_allclose(z1, r * np.cos(2.0 * np.pi * w), rtol=0, atol=4e-15)
    np.testing.assert_allclose(z2, r * np.sin(2.0 * np.pi * w), rtol=0, atol=4e-15)


@pytest.mark.parametrize(("seed", "group"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**32)])
def test_keys_outside_their_range_are_refused(seed, group):
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\*\*"):
        DrawKeys(seed, group)


def test_scattered_draws_are_the_draws_of_their_paths():
    keys, purpose, first = DrawKeys(4).words(), int(Purpose.JUMP_SIZE), 2**33
    a, b, c, d = np.empty((4, 20), np.uint64)
    lane, number = np.arange(40)[::-2].copy(), np.arange(20) % 3
    scattered_words(a, b, first, lane, number, 20, purpose, 1, *keys)
    for i in range(20):
        fill_words(c[:1], d[:1], first + lane[i], number[i], purpose, 1, *keys)
        assert (a[i], b[i]) == (c[0], d[0])
