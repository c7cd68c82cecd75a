"""JSON that a server sends: whole documents, and lists that are read entry by entry."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pyvolume.errors import AnswerError, MetadataError
from pyvolume.model.arguments import brief

NO_SPACE = re.compile(r"[^ \t\n\r]")

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""How the halves of a character are written: two make one, a single one is no text that can be sent or shown."""


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads the JSON of one answer.

    Parameters
    ----------
    action : str
        What the user wanted, as errors say it.
    content_type : str
        What the answer says that it holds, for messages.
    limit : int
        The largest document, or entry of a list, in bytes.
    """

    action: str
    content_type: str
    limit: int

    def document(self, data: bytes) -> Any:
        """Parse a whole document.

        Raises
        ------
        AnswerError
            If it is not JSON.
        MetadataError
            If it is nested too deeply, names something twice, or holds half a character.
        """
        try:
            text = data.decode("utf-8-sig")
            document = self._decoder().decode(text)
        except RecursionError:
            raise self._too_deep() from None
        except MetadataError:
            raise
        except ValueError:
            raise self._not_json(data[:200]) from None
        if SURROGATE.search(text):
            self._check_texts(document, "$")
        return document

    def entries(self, pieces: Iterable[bytes]) -> Iterator[Any]:
        """Parse a list, and give its entries one after the other; a piece and an entry are in memory at once.

        Raises
        ------
        AnswerError
            If it is not a list in JSON.
        MetadataError
            As for `document`, and for an entry that is larger than the limit.
        """
        text = _Text(pieces)
        try:
            if self._next(text) != "[":
                raise ValueError
            text.at += 1
            if self._next(text) != "]":
                yield from self._each(text)
            text.at += 1
            if self._next(text):
                raise ValueError
        except MetadataError:
            raise
        except ValueError:
            raise self._not_json(
                text.text[text.at : text.at + 200].encode(errors="replace"), "a list in JSON"
            ) from None

    def _each(self, text: _Text) -> Iterator[Any]:
        decode, number = self._decoder().raw_decode, 0
        while True:
            entry = self._entry(text, decode)
            if text.has_surrogates:
                self._check_texts(entry, f"$[{number}]")
            yield entry
            number += 1
            follows = self._next(text)
            if follows == "]":
                return
            if follows != ",":
                raise ValueError
            text.at += 1
            self._next(text)

    def _entry(self, text: _Text, decode: Any) -> Any:
        """Take the next entry; before its delimiter has arrived, ``1`` may be the beginning of ``1.5``."""
        while True:
            try:
                entry, end = decode(text.text, text.at)
                follows = NO_SPACE.search(text.text, end)
            except json.JSONDecodeError:
                follows = None
            except RecursionError:
                raise self._too_deep() from None
            is_whole = follows is not None and follows[0] in ",]"
            if (end if is_whole else len(text.text)) - text.at > self.limit:
                raise self.too_large("an entry of the list")
            if is_whole:
                text.at = end
                return entry
            if not text.grow(self.limit):
                raise ValueError

    def _next(self, text: _Text) -> str:
        """Go to the next character that is no space, and return it; empty at the end."""
        passed = 0
        while True:
            found = NO_SPACE.search(text.text, text.at)
            begin, text.at = text.at, len(text.text) if found is None else found.start()
            passed += text.at - begin
            if found is not None:
                return found[0]
            if passed > self.limit:
                raise self.too_large("the space between two entries")
            if not text.grow(self.limit):
                return ""

    def too_large(self, what: str) -> MetadataError:
        """Return the error for something that is larger than the limit."""
        return MetadataError(
            f"{self.action}: {what} is larger than {self.limit} bytes, the max_document of the Connection"
        )

    def _decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(object_pairs_hook=self._named_once)

    def _named_once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise MetadataError(f"{self.action}: the document names {brief(twice)} twice", path=f"$..{twice}")
        return found

    def _check_texts(self, value: Any, path: str) -> None:
        """Refuse texts that hold half a character, and say where."""
        waiting = [(value, path)]
        while waiting:
            value, path = waiting.pop()
            if isinstance(value, dict):
                waiting += [(name, path) for name in value]
                waiting += [(each, f"{path}.{brief(name)}") for name, each in value.items()]
            elif isinstance(value, list):
                waiting += [(each, f"{path}[{i}]") for i, each in enumerate(value)]
            elif isinstance(value, str) and not value.isascii() and value.encode(errors="replace").decode() != value:
                raise MetadataError(f"{self.action}: half a character (a lone surrogate) at {path}", path=path)

    def _too_deep(self) -> MetadataError:
        return MetadataError(f"{self.action}: the document is nested too deeply", path="$")

    def _not_json(self, first: bytes, expected: str = "JSON") -> AnswerError:
        return AnswerError(
            f"{self.action}: expected {expected} and found {self.content_type or 'no type'}, "
            f"beginning {first!r}; is a proxy in between?",
            content_type=self.content_type,
            first_bytes=first,
        )


class _Text:
    """The part of a text that has arrived, and how much of it was used."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.at = 0
        self.has_surrogates = False

    def grow(self, limit: int) -> bool:
        """Drop what was used, and double the rest, up to a limit; return whether anything has come."""
        parts = [self.text[self.at :]]
        rest = len(parts[0])
        wanted, got = max(1, min(rest, limit - rest)), 0
        while got < wanted and (piece := next(self._pieces, None)) is not None:
            parts.append(self._decoder.decode(piece))
            got += len(parts[-1])
        if got < wanted:
            self._decoder.decode(b"", final=True)
        self.text, self.at = "".join(parts), 0
        self.has_surrogates = SURROGATE.search(self.text) is not None
        return got > 0
