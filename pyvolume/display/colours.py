"""Colours of labels: each has one of its own, the same in every picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1))
"""Of the hash: shift to the right, exclusive or, multiply."""

_HIGH = 0x9E3779B1
"""What the upper half of a label is multiplied with."""


def colours_of(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a colour for each label; 0 is black.

    The page of `pyvolume view` computes the same, see ``paint.js``.

    Parameters
    ----------
    labels : ndarray of integers
        Of any shape.

    Returns
    -------
    ndarray of uint8
        Red, green and blue on a further axis.

    Examples
    --------
    >>> colours_of(np.array([0, 1, 1 << 40])).tolist()
    [[0, 0, 0], [185, 180, 64], [6, 160, 36]]
    """
    words = labels.astype(np.uint64)
    hashed = (words & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    hashed ^= (words >> np.uint64(32)).astype(np.uint32) * np.uint32(_HIGH)
    for shift, factor in _STEPS:
        hashed ^= hashed >> np.uint32(shift)
        hashed *= np.uint32(factor)
    hue = (hashed & np.uint32(0xFFFF)) / 65536 * 6
    saturation = 0.5 + (hashed >> np.uint32(16) & np.uint32(0xFF)) / 510
    value = 0.6 + (hashed >> np.uint32(24)) / 637.5
    channels = []
    for shift in (5, 3, 1):  # of red, green and blue
        place = (shift + hue) % 6
        channels.append(value * (1 - saturation * np.clip(np.minimum(place, 4 - place), 0, 1)))
    colours = np.floor(np.stack(channels, axis=-1) * 255 + 0.5).astype(np.uint8)
    colours[words == 0] = 0
    return colours
