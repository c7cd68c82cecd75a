"""Suggesting: a group of commands that answers a misspelt one with the nearest."""

from __future__ import annotations

import click

from pyvolume.model.nearest import hint


class Suggesting(click.Group):
    """Commands by name; an unknown name is an error that suggests a similar one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with."""
        name = args[0]
        if self.get_command(ctx, name) is None and not (name.startswith("-") or ctx.resilient_parsing):
            raise click.UsageError(f"no such command {name!r}; {hint(name, self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)
