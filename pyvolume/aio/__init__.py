"""Volumes for asyncio: the synchronous volumes in threads, whose number is limited.

Examples
--------
>>> import asyncio, numpy as np, pyvolume
>>> async def main():
...     zeros = pyvolume.from_array(np.zeros((1, 20, 30, 40), "uint8"))
...     vol = pyvolume.aio.AsyncVolume(zeros)
...     await vol.setitem(np.s_[:, 5:10, 5:10, 5:10], 7)
...     return int((await vol[0, 0:8, 5, 5]).sum())
>>> asyncio.run(main())
21
"""

from __future__ import annotations

from pyvolume.aio.opening import open  # noqa: A004 - as in pyvolume
from pyvolume.aio.threads import to_thread
from pyvolume.aio.volume import AsyncVolume

__all__ = ["AsyncVolume", "open", "to_thread"]
