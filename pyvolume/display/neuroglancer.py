"""Links to Neuroglancer: a volume in a link, and a link of a volume."""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote, unquote

from pyvolume.errors import AddressError
from pyvolume.stores import registry

VIEWER = "https://neuroglancer-demo.appspot.com/"
"""A public Neuroglancer; whoever opens a link there lets their browser ask the volume's server."""


def is_link(url: str) -> bool:
    """Whether a url is a link to a Neuroglancer, its state behind ``#!``."""
    return url.startswith(("http://", "https://")) and "#!" in url


@runtime_checkable
class NeuroglancerVolume(Protocol):
    """A volume that Neuroglancer can read from its server."""

    def neuroglancer_source(self) -> tuple[str, str]:
        """Return the type of a layer, such as ``"image"``, and its source."""


def link_of(volume: NeuroglancerVolume, name: str) -> str:
    """Return a link that shows a volume in a public Neuroglancer.

    Parameters
    ----------
    volume : Volume
        A volume with a method ``neuroglancer_source``.
    name : str
        Of the layer.
    """
    kind, source = volume.neuroglancer_source()
    state = {"layers": [{"type": kind, "source": source, "name": name}], "selectedLayer": {"layer": name}}
    return f"{VIEWER}#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"


def url_of(link: str) -> str:
    """Return the url of the volume in a link: of the selected layer, or of the only one that pyvolume can open.

    Raises
    ------
    AddressError
        If the link holds no state, no such layer, or several.

    Examples
    --------
    >>> state = '{"layers":[{"source":"dvid://http://localhost:8000/ab/gray"}]}'
    >>> url_of(f"https://example.org/#!{state}")
    'dvid://http://localhost:8000/ab/gray'
    """
    try:
        state = json.loads(unquote(link.partition("#!")[2]))
        found = {str(layer.get("name", i)): _sources(layer) for i, layer in enumerate(state.get("layers", []))}
        selected = str((state.get("selectedLayer") or {}).get("layer"))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise AddressError("open: expected the state of Neuroglancer, as JSON, behind the #! of the link") from None
    if found.get(selected):
        return found[selected][0]
    urls = {name: each[0] for name, each in found.items() if each}
    if len(urls) != 1:
        names = ", ".join(urls) or "none"
        raise AddressError(f"open: expected one layer that pyvolume can open, or one selected, and found {names}")
    return next(iter(urls.values()))


def _sources(layer: dict[str, Any]) -> list[str]:
    """Return the urls of a layer with the scheme of a driver; a source is a text, an object, or a list of these."""
    source = layer.get("source") or []
    listed = source if isinstance(source, list) else [source]
    urls = [str(each.get("url", "")) if isinstance(each, dict) else str(each) for each in listed]
    return [each for each in urls if each.partition("://")[0] in registry.names()]
