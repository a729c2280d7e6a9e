"""A text as the pieces that are compared with labels: what is seen of it, what is read, who wants what. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from glowplug.profiles.cues import Run, Span, Stance
from glowplug.profiles.lexicon import Lexicon, Mention
from glowplug.profiles.orders import blanked, unread
from glowplug.profiles.stance import runs
from glowplug.profiles.visible import Visible, visible

READ_CHARS = 4_000  # of one field: six times the longest sign-up text that was labelled, and 40 ms of vectors
MOST_PIECES = 48  # of one field are encoded, the longest: a rambling text of a page has about sixty
PIECE_CHARS = 300  # about what the small encoder was trained to read at once
SHORTEST = 2  # "茶" is a mention, but as a vector a single character is noise
# Within a run, where one thing ends and the next begins.
BETWEEN = re.compile(
    r"[、,，;]|\s(?:and|und|y|e|et|и|و|और|or|oder|ou|o)\s|(?<=[ぁ-ん])と(?=[一-龥ァ-ヶ])"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]+"
)
TRIM = " \t\n.,;:!?。！？，、；：…·•|/\\-–—~()（）[]{}«»“”\"'「」『』"
SPOKEN = re.compile(r"\w{2}|[\u3400-\u9fff]")  # something to compare: two letters, or one ideograph


@dataclass(frozen=True, slots=True)
class Piece:
    """[start, end) of the visible text. mentions: of interests and others that lie in it. by: see Run."""

    start: int
    end: int
    stance: Stance
    by: str
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """One field of a subject. hidden: spans that are addressed to a machine, and not read."""

    field: str
    text: Visible
    pieces: tuple[Piece, ...]
    hidden: tuple[Span, ...] = ()

    @property
    def shown(self) -> str:
        """The text as it is seen, with line breaks in the place of what is not read."""
        return blanked(self.text.text, self.hidden)

    def words(self, piece: Piece) -> str:
        return self.text.text[piece.start : piece.end][:PIECE_CHARS]


def read(field: str, original: str, lexicon: Lexicon, topics: frozenset[int], *, is_plain: bool = False) -> Read:
    """topics: rows of the labels that a dislike can be of. is_plain: a title or a tag, which takes no stance."""
    text = visible(original[:READ_CHARS]).until(READ_CHARS)  # one character can be seen as eighteen
    hidden = unread(text)
    folded = blanked(text.folded, hidden)
    found = tuple(
        mention
        for mention in lexicon.mentions(text)
        if not any(start < mention.end and mention.start < end for start, end in hidden)
    )
    about = [mention for mention in found if mention.row in topics]
    stretches = (Run(0, len(folded), "wanted"),) if is_plain else runs(folded, about)
    pieces = tuple(piece for run in stretches for piece in _pieces(folded, run, found))
    return Read(field, text, pieces, hidden)


def encoded(read: Read) -> tuple[int, ...]:
    """Positions of the pieces that are worth a vector, at most MOST_PIECES, in the order of the text."""
    worth = [
        at
        for at, piece in enumerate(read.pieces)
        if piece.stance != "neither" and SPOKEN.search(read.text.folded, piece.start, piece.end)
    ]
    longest = sorted(worth, key=lambda at: read.pieces[at].start - read.pieces[at].end)[:MOST_PIECES]
    return tuple(sorted(longest))


def _pieces(folded: str, run: Run, mentions: tuple[Mention, ...]) -> list[Piece]:
    """A cut never goes through a mention."""
    inside = [mention for mention in mentions if run.start <= mention.start < run.end]
    gaps = [
        gap.end()
        for gap in BETWEEN.finditer(folded, run.start, run.end)
        if not any(mention.start < gap.end() and gap.start() < mention.end for mention in inside)
    ]
    cuts = [run.start, *gaps, max([run.end, *(mention.end for mention in inside)])]
    out = []
    for start, end in pairwise(cuts):
        own = tuple(mention for mention in inside if start <= mention.start < end)
        first, last = trimmed(folded, start, end)
        first = min([first, *(mention.start for mention in own)])
        last = max([last, *(mention.end for mention in own)])
        if last - first >= SHORTEST or own:
            out.append(Piece(first, last, run.stance, run.by, own))
    return out


def trimmed(folded: str, start: int, end: int) -> tuple[int, int]:
    while start < end and folded[start] in TRIM:
        start += 1
    while end > start and folded[end - 1] in TRIM:
        end -= 1
    return start, end
