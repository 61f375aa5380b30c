"""What is said of what is written, and the way back from one to the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Edit(NamedTuple):
    """A stretch of the written text, in code points [start, end), that is said in other words; empty: not at all."""

    start: int
    end: int
    said: str


class _Piece(NamedTuple):
    said_at: int
    start: int
    end: int
    is_literal: bool


@dataclass(frozen=True, slots=True)
class Spoken:
    """A phrase as it is written and as it is said. Positions are code points."""

    written: str
    """What the transcript and the history keep."""
    text: str
    """What goes to synthesis."""
    _pieces: tuple[_Piece, ...]

    @classmethod
    def of(cls, written: str, edits: Iterable[Edit] = ()) -> Spoken:
        """Return `written` with `edits` made: in order, none over another."""
        said: list[str] = []
        pieces: list[_Piece] = []
        at = length = 0
        for edit in edits:
            if edit.start > at:
                pieces.append(_Piece(length, at, edit.start, True))
                said.append(written[at : edit.start])
                length += edit.start - at
            if edit.said:
                pieces.append(_Piece(length, edit.start, edit.end, False))
                said.append(edit.said)
                length += len(edit.said)
            at = edit.end
        if at < len(written) or not pieces:
            pieces.append(_Piece(length, at, len(written), True))
            said.append(written[at:])
        return cls(written, "".join(said), tuple(pieces))

    @classmethod
    def unsaid(cls, written: str) -> Spoken:
        """Return what is written and not said at all."""
        return cls(written, "", (_Piece(0, 0, len(written), False),))

    def written_end(self, said_end: int) -> int:
        """Return where what is written ends of what is said up to `said_end`.

        Of a stretch said in other words it is all, once all of it was said, and nothing before. What is not said at all
        belongs to what stands right before it: the marks that close an emphasis, say.
        """
        if said_end <= 0:
            return 0
        index = self._index(said_end - 1)
        piece = self._pieces[index]
        said_after = self._pieces[index + 1].said_at if index + 1 < len(self._pieces) else len(self.text)
        if not piece.is_literal:
            end = piece.end if said_end >= said_after else piece.start
        else:
            end = piece.start + min(said_end - piece.said_at, piece.end - piece.start)
        if end < piece.end:
            return end
        follows = self._pieces[index + 1].start if index + 1 < len(self._pieces) else len(self.written)
        return end if self.written[end : end + 1].isspace() else follows

    def written_start(self, said_start: int) -> int:
        """Return where that begins in what is written, which is said from `said_start` on."""
        piece = self._pieces[self._index(said_start)]
        return piece.start + (min(said_start - piece.said_at, piece.end - piece.start) if piece.is_literal else 0)

    def _index(self, said_at: int) -> int:
        return max(0, bisect_right(self._pieces, said_at, key=lambda piece: piece.said_at) - 1)

    def after(self, unsaid: str) -> Spoken:
        """Return this behind `unsaid`, which is written and not said."""
        moved = tuple(
            piece._replace(start=piece.start + len(unsaid), end=piece.end + len(unsaid)) for piece in self._pieces
        )
        return Spoken(unsaid + self.written, self.text, moved)
