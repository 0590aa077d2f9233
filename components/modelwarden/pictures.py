"""Images before and after an attack, side by side on a page of their own (floor 2).

They are rows of data, so no report and no page of a report ever holds one.
"""

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.markup import Markup, joined, tag

Pixels = npt.NDArray[np.float64]


_STYLE = """\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 2rem auto; padding: 0 1rem; max-width: 34rem }
figure { margin: 2rem 0; display: flex; flex-wrap: wrap; gap: 1rem }
figcaption { flex-basis: 100% }
svg { width: 14rem; max-width: 100%; border: 1px solid #8888; background: #8884 }
image { image-rendering: pixelated }
rect { fill: none; stroke: #e0002d; stroke-width: .12; vector-effect: none }
"""


@dataclass(frozen=True)
class Pair:
    """An image before and after.

    Parameters
    ----------
    words : str
        What happened.
    before, after : ndarray, shape (height, width, channels)
        Brightness from 0 to 1, NaN for 0; 1 channel is grey, 3 are red, green and blue. Of other
        images the mean of all channels is shown.
    """

    words: str
    before: Pixels
    after: Pixels


def pictures_page(title: str, pairs: Sequence[Pair]) -> str:
    """Return a page with every pair, changed pixels framed."""
    shown = joined(map(_figure, pairs)) if pairs else tag("p", "No image was broken.")
    head = tag("meta", charset="utf-8"), tag("title", title), tag("style", Markup(_STYLE))
    body = tag("body", tag("h1", title), shown)
    return f"<!DOCTYPE html>\n{tag('html', tag('head', *head), body, lang='en')}\n"


def _figure(pair: Pair) -> Markup:
    changed = ~np.isclose(pair.before, pair.after, rtol=0, atol=1e-9, equal_nan=True)
    frames = joined(
        tag("rect", x=float(x), y=float(y), width=1.0, height=1.0)
        for y, x in np.argwhere(changed.any(axis=2)).tolist()
    )
    return tag(
        "figure",
        tag("figcaption", pair.words),
        _image(pair.before, Markup(""), "before"),
        _image(pair.after, frames, "after"),
    )


def _image(pixels: Pixels, over: Markup, words: str) -> Markup:
    height, width, _ = pixels.shape
    source = f"data:image/png;base64,{b64encode(png(pixels)).decode()}"
    image = tag("image", href=source, width=float(width), height=float(height))
    box = f"0 0 {width} {height}"
    return tag("svg", tag("title", words), image, over, viewBox=box, role="img", aria_label=words)


def png(pixels: Pixels) -> bytes:
    """Return an image as PNG.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, channels)
        Brightness from 0 to 1.
    """
    if pixels.shape[2] != 3:
        pixels = pixels.mean(axis=2, keepdims=True)
    height, width, channels = pixels.shape
    levels = np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    lines = np.insert(levels.reshape(height, -1), 0, 0, axis=1)  # each line says: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check
