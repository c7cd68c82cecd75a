"""Completion by a shell: the names on a server that can follow what is typed."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, split_arg_string

from pyvolume.cli.target import environment, parse_target
from pyvolume.stores import registry

SOURCE = """\
%(complete_func)s() {
    local IFS=$'\\n' kind value
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        if [[ $kind == file ]]; then compopt -o default
        elif [[ $kind == dir ]]; then compopt -o dirnames
        elif [[ $kind == plain ]]; then COMPREPLY+=("$value")
        fi
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Completion in bash, for which a colon ends a word: it completes only what stands behind the last one."""

    source_template = SOURCE
    _typed = 0

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one to complete, and that one."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = "" if line[-1:].isspace() or len(words) < 2 else words.pop()
        breaks = set(":=") & set(os.environ.get("COMP_WORDBREAKS", ""))
        if incomplete and line.endswith(incomplete) and line[-len(incomplete) - 1] not in "'\"":
            self._typed = 1 + max((incomplete.rfind(each) for each in breaks), default=-1)
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return a line for the script."""
        return f"{item.type},{item.value[self._typed :] if item.type == 'plain' else item.value}"


def complete_url(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the urls that begin with what is typed, or let the shell complete the name of a file."""
    front, slash, rest = incomplete.rpartition("/")
    names = [name for name in _names_after(front) if name.startswith(rest)]
    return [CompletionItem(f"{front}{slash}{name}") for name in names] or [CompletionItem(incomplete, type="file")]


def _names_after(front: str) -> list[str]:
    """Return the names that can follow a url; none if the server does not answer at once, or says no."""
    try:
        url = parse_target(front, os.environ.get("PYVOLUME_URL", "")).url
        driver = registry.find(url)[1]
        options: dict[str, Any] = registry.accepted(driver.names_after, environment(url))
        return list(driver.names_after(url, **options))
    except Exception:  # nobody wants to read an error between two letters
        return []
