"""Pictures on their way: what the server can draw rightly, files that arrive whole, and the voxels in them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import refusal
from pyvolume.errors import AnswerError, TooLargeError, UnsupportedError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request

if TYPE_CHECKING:
    from pyvolume.dvid.voxels.store import DvidStore

Format = Literal["png", "jpeg"]

MAX_PIXELS = 1 << 26
"""The server draws a picture in memory, all of it; a much larger oblique one ends the server."""

ENDS = {
    "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    "jpeg": (b"\xff\xd8", b"\xff\xd9"),
}
"""What a file begins and ends with: an error in the middle of one comes with the status 200."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture should be.

    Parameters
    ----------
    action : str
    format : "png" or "jpeg"
    quality : int or None
        Of a JPEG.
    decode : bool
        Whether an array is wanted, or the bytes of the file.
    """

    action: str
    format: Format
    quality: int | None
    decode: bool

    def drawn(
        self, store: DvidStore, words: str, size: tuple[int, int], call: Call, *, may_differ: bool = False
    ) -> NDArray[Any] | bytes:
        """Let the server draw it.

        Parameters
        ----------
        store : DvidStore
        words : str
            Of the path, behind the name of the instance.
        size : tuple of int
            To the right and down.
        call : Call
        may_differ : bool
            Whether the server may draw a pixel more or less.
        """
        self._check(store, size)
        path = f"/api/node/{segment(store.uuid)}/{segment(store.name)}/{words}/{self._suffix}"
        query = store.query | ({"throttle": "on"} if store.throttle else {})
        request = Request(self.action, "GET", path, query, refusal=refusal)
        data = store.connection.exchange(request, self._received, call)
        if not self.decode:
            return data
        try:
            voxels = _decoded(data, store.dtype, store.traits.read_grid[0])
        except (OSError, SyntaxError, ValueError) as error:
            raise AnswerError(f"{self.action}: expected image/{self.format} and found {error}") from error
        if voxels.shape[1:] != size and not may_differ:
            raise AnswerError(f"{self.action}: expected {size[0]}×{size[1]} pixels and found {voxels.shape[1:]}")
        return voxels

    def _check(self, store: DvidStore, size: tuple[int, int]) -> None:
        """Refuse what the server would draw wrongly, or what would be too much for it."""
        if self.format not in ENDS:
            raise ValueError(f"{self.action}: format is 'png' or 'jpeg', not {self.format!r}")
        if self.quality is not None and (self.format != "jpeg" or not 1 <= self.quality <= 100):
            raise ValueError(
                f"{self.action}: quality is that of a JPEG, 1 to 100, not {self.quality!r} of {self.format}"
            )
        if self.format == "jpeg" and store.info.typename != "uint8blk":
            raise UnsupportedError(
                f"{self.action}: a JPEG of {store.info.typename} would lose more than it should; ask for a PNG"
            )
        if self.decode and store.dtype.itemsize > 4:
            raise UnsupportedError(
                f"{self.action}: a picture of {store.dtype} cannot be decoded; read coords[...], or say decode=False"
            )
        if self.decode:
            _pillow()
        if math.prod(size) > MAX_PIXELS:
            raise TooLargeError(
                f"{self.action}: at most {MAX_PIXELS} pixels, not {size[0]}×{size[1]}; read coords[...]"
            )

    @property
    def _suffix(self) -> str:
        return self.format if self.quality is None else f"{self.format}:{self.quality}"

    def _received(self, answer: Answer) -> bytes:
        """Receive a file, and see whether it is whole."""
        found, data = answer.headers.get("Content-Type", "no type"), answer.read()
        head, tail = ENDS[self.format]
        if found != f"image/{self.format}" or not data.startswith(head) or not data.endswith(tail):
            raise AnswerError(
                f"{self.action}: expected a whole image/{self.format} and found {found} of {len(data)} bytes, "
                f"beginning {data[:40]!r}, ending {data[-200:]!r}",
                content_type=found,
                first_bytes=data[:200],
            )
        return data


def _decoded(data: bytes, dtype: np.dtype[Any], channels: int) -> NDArray[Any]:
    """Return the voxels of a picture, with the axes (c, right, down)."""
    with _pillow().open(io.BytesIO(data)) as picture:
        # a PNG of colours that are all opaque comes without the fourth
        pixels = np.array(picture.convert("RGBA") if dtype.itemsize * channels == 4 else picture)
    rows: NDArray[Any] = pixels.view(dtype).reshape((*pixels.shape[:2], channels))
    return rows.transpose(2, 1, 0)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            "a picture as an array needs Pillow: install the extra, as in pip install 'pyvolume-sdk[images]', "
            "or say decode=False"
        ) from None
    return Image
