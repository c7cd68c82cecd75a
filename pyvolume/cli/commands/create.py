"""``create``: calls the command of the protocol that a url belongs to."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from pyvolume.cli.completion import complete_url
from pyvolume.errors import UnsupportedError
from pyvolume.stores import registry


@click.command(
    short_help="Create a volume, or what holds volumes.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_url)
@click.pass_context
def create(context: click.Context, arguments: tuple[str, ...]) -> Any:
    """Create what a url names; each protocol has a command of its own, with its own options."""
    texts = [*arguments, os.environ.get("PYVOLUME_URL", "")]
    urls = [text for text in texts if text and registry.recognised(text)]
    # the file of an option is recognised too, and creates nothing
    url = next((url for url in urls if "create" in registry.find(url)[1].commands), next(iter(urls), ""))
    creating = (name for name, driver in registry.importable() if "create" in driver.commands)
    name = registry.find(url)[0] if url else next(creating)
    module = registry.load(name).commands.get("create")
    if module is None:
        raise UnsupportedError(f"create {url}: nothing can be created with {name}")
    command: click.Command = importlib.import_module(module).create
    with command.make_context("create", list(arguments), parent=context.parent) as own:
        return command.invoke(own)
