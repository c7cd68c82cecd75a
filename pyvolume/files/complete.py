"""The only image of a TIFF, and all of it: what tifffile would fill in or leave out is refused."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import tifffile

from pyvolume.errors import MetadataError, UnsupportedError


@contextlib.contextmanager
def one_image(file: tifffile.TiffFile, what: str) -> Iterator[tifffile.TiffPageSeries]:
    """Give the only image of a file, to be read in the block.

    Raises
    ------
    UnsupportedError
        If there are several images, or one whose pixels mean something else: turned ones, colours of a palette.
    MetadataError
        If pages are missing, or tifffile warns that it guesses.
    """
    with _warnings() as warned:
        images = file.series
        if len(images) != 1:
            raise UnsupportedError(f"{what}: expected one image and found {len(images)}; save one of them alone")
        pages: list[Any] = list(images[0].pages)
        if None in pages:
            raise MetadataError(f"{what}: expected {len(pages)} planes, and {pages.count(None)} are missing")
        _check_pixels(images[0].keyframe, what)
        yield images[0]
    if warned:
        raise MetadataError(f"{what}: expected a complete file, and tifffile warns: {warned[0]}")


def _check_pixels(page: Any, what: str) -> None:
    turned = page.tags.valueof("Orientation", default=1)
    if turned != 1:
        raise UnsupportedError(f"{what}: expected rows from top left and found orientation {turned}; turn the picture")
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise UnsupportedError(f"{what}: expected gray values or channels and found the colours of a palette")


class _Notes(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextlib.contextmanager
def _warnings() -> Iterator[list[str]]:
    """Give what tifffile warns of while the block runs."""
    notes = _Notes()
    logger = tifffile.logger()
    logger.addHandler(notes)
    try:
        yield notes.texts
    finally:
        logger.removeHandler(notes)
