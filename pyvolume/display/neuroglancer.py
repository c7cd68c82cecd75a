"""Links to Neuroglancer: a volume in a link, and a link of a volume."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote

from pyvolume.errors import AddressError

VIEWER = "https://neuroglancer-demo.appspot.com/"
"""A public Neuroglancer; whoever opens a link there lets their browser ask the volume's server."""


def is_link(url: str) -> bool:
    """Whether a url is a link to a Neuroglancer, its state behind ``#!``."""
    return url.startswith(("http://", "https://")) and "#!" in url


def link_of(url: str, name: str) -> str:
    """Return a link that shows the volume at a url in a public Neuroglancer.

    Parameters
    ----------
    url : str
        As in ``dvid://http://host:port/UUID/NAME``.
    name : str
        Of the layer.
    """
    state = {"layers": [{"type": "image", "source": url, "name": name}], "selectedLayer": {"layer": name}}
    return f"{VIEWER}#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"


def url_of(link: str) -> str:
    """Return the url of the volume in a link: of the selected layer, or of the only one on a DVID server.

    Raises
    ------
    AddressError
        If the link holds no state, no such layer, or several.

    Examples
    --------
    >>> url_of(link_of("dvid://http://localhost:8000/ab/gray", "gray"))
    'dvid://http://localhost:8000/ab/gray'
    """
    try:
        state = json.loads(unquote(link.partition("#!")[2]))
        found = {str(layer.get("name", i)): _sources(layer) for i, layer in enumerate(state.get("layers", []))}
        selected = str((state.get("selectedLayer") or {}).get("layer"))
    except (ValueError, AttributeError):
        raise AddressError("open: expected the state of Neuroglancer, as JSON, behind the #! of the link") from None
    if found.get(selected):
        return found[selected][0]
    urls = {name: each[0] for name, each in found.items() if each}
    if len(urls) != 1:
        names = ", ".join(urls) or "none"
        raise AddressError(f"open: expected one layer on a DVID server in the link, or one selected, and found {names}")
    return next(iter(urls.values()))


def _sources(layer: dict[str, Any]) -> list[str]:
    """Return the DVID urls of a layer, whose source may be a text, an object, or a list of either."""
    source = layer.get("source") or []
    listed = source if isinstance(source, list) else [source]
    urls = [str(each.get("url", "")) if isinstance(each, dict) else str(each) for each in listed]
    return [each.rstrip("/") for each in urls if re.match(r"dvid://https?://", each)]
