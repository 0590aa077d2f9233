import re
import struct
import zlib
from base64 import b64decode

import numpy as np
import pytest

from modelwarden.pictures import Pair, pictures_page, png


def decoded(data):
    """Read a PNG as the specification says, without a filter on its lines."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, parts = 8, {}
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        (check,) = struct.unpack(">I", data[place + 8 + size : place + 12 + size])
        assert check == zlib.crc32(name + body)
        parts[name] = body
        place += 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3}[colour]
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (lines[:, 0] == 0).all()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_has_the_pixels_that_it_was_given(channels):
    pixels = np.linspace(0, 1, 2 * 3 * channels).reshape(2, 3, channels)

    np.testing.assert_array_equal(decoded(png(pixels)), np.rint(pixels * 255))


def test_what_is_no_brightness_is_cut_to_black_and_white():
    pixels = np.array([[[np.nan], [-1.0], [2.0]]])

    assert decoded(png(pixels)).ravel().tolist() == [0, 0, 255]


def test_of_two_channels_the_mean_is_shown():
    assert decoded(png(np.array([[[0.0, 1.0]]]))).tolist() == [[[128]]]


def test_changed_pixels_are_framed_where_they_are():
    before = np.zeros((4, 5, 1))
    after = before.copy()
    after[3, 1] = 1

    page = pictures_page("Broken", [Pair("row 7", before, after)])

    assert re.findall(r"<rect x=\"(\d+)\" y=\"(\d+)\"", page) == [("1", "3")]
    first, second = re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    assert decoded(b64decode(first)).max() == 0
    assert np.argwhere(decoded(b64decode(second))).tolist() == [[3, 1, 0]]


def test_words_on_the_page_are_escaped_and_it_loads_nothing():
    page = pictures_page("a", [Pair("<script>x</script>", np.zeros((1, 1, 1)), np.ones((1, 1, 1)))])

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)


def test_a_page_without_pictures_says_so():
    assert "No image was broken." in pictures_page("a", [])
