"""How values of one kind are read and compared. A scale is fitted once; its `state` is all that reading needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import scipy.sparse as sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from glowplug.training.arrays import Floats, Sparse

Values = Sequence[float | str | tuple[str, ...] | None]
State = dict[str, Any]  # what JSON can hold

RARE_SAYS_NOTHING = -1  # of a name that training did not see


class Scale(Protocol):
    def read(self, values: Values) -> Any:
        """An array, or csr, with one row a value."""

    def apart(self, rows: Any, columns: Any) -> Floats:
        """float32 (rows, columns), at least 0: distance of each pair of what `read` returned."""

    def state(self) -> State:
        """JSON from which `scale_of` makes the same scale again."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """|difference| over the standard deviation; a missing number is the median. of_size: the logarithm of how much
    there is, in place of the value."""

    centre: float
    spread: float
    missing: float
    of_size: bool = False
    kind: ClassVar[str] = "numbers"

    @classmethod
    def fitted(cls, values: Values, *, of_size: bool = False) -> Numbers | None:
        """None where all are the same."""
        numbers = _numbers(values, of_size=of_size)
        known = numbers[~np.isnan(numbers)]
        if not len(known) or known.std() == 0:
            return None
        return cls(float(known.mean()), float(known.std()), float(np.median(known)), of_size)

    def read(self, values: Values) -> Floats:
        numbers = _numbers(values, of_size=self.of_size)
        filled = np.where(np.isnan(numbers), self.missing, numbers)
        return ((filled - self.centre) / self.spread).astype(np.float32)

    def apart(self, rows: Floats, columns: Floats) -> Floats:
        found: Floats = np.abs(rows[:, None] - columns)
        return found

    def state(self) -> State:
        return {
            "kind": self.kind,
            "centre": self.centre,
            "spread": self.spread,
            "missing": self.missing,
            "of_size": self.of_size,
        }


@dataclass(frozen=True, slots=True)
class Names:
    """The same or not; none is a name of its own."""

    codes: Mapping[str, int]
    kind: ClassVar[str] = "names"

    @classmethod
    def fitted(cls, values: Values) -> Names | None:
        """None where all have one name, or each their own: then it tells nothing of others."""
        names = sorted({str(value) for value in values})
        if not 1 < len(names) < len(values):
            return None
        return cls({name: at for at, name in enumerate(names)})

    def read(self, values: Values) -> Any:
        return np.array([self.codes.get(str(value), RARE_SAYS_NOTHING) for value in values], dtype=np.int64)

    def apart(self, rows: Any, columns: Any) -> Floats:
        differ: Floats = (rows[:, None] != columns).astype(np.float32)
        return differ

    def state(self) -> State:
        return {"kind": self.kind, "names": list(self.codes)}


class Cosines:
    """1 - cosine of vectors of unit length."""

    kind = "cosines"

    def read(self, values: Any) -> Any:
        return values

    def apart(self, rows: Any, columns: Any) -> Floats:
        if sparse.issparse(rows):
            found = (rows @ columns.T).toarray()
        else:  # in float64, so that a pair has the same distance whatever it is computed with
            found = rows.astype(np.float64) @ columns.T.astype(np.float64)
        # A row of nothing is as far from itself as from the others.
        apart: Floats = np.maximum(1 - found, 0).astype(np.float32)
        return apart

    def state(self) -> State:
        return {"kind": self.kind}


class Entries(Cosines):
    """1 - cosine of lists; an entry weighs by rarity (idf) and by its place, (1 + place)^-decay."""

    kind = "entries"

    def __init__(self, weights: Mapping[str, float], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self._place = {entry: at for at, entry in enumerate(weights)}

    @classmethod
    def fitted(cls, values: Values, decay: float) -> Entries:
        count = Counter(entry for value in values if isinstance(value, tuple) for entry in set(value))
        return cls({entry: float(np.log1p(len(values) / often)) for entry, often in sorted(count.items())}, decay)

    def read(self, values: Values) -> Sparse:
        """float32 csr, rows of unit length; entries that training did not see are passed over."""
        lists = [
            [entry for entry in dict.fromkeys(value) if entry in self._place] if isinstance(value, tuple) else []
            for value in values
        ]
        weights = [
            self._weights[entry] * (1 + rank) ** -self._decay
            for entries in lists
            for rank, entry in enumerate(entries)
        ]
        columns = [self._place[entry] for entries in lists for entry in entries]
        indptr = np.cumsum([0, *map(len, lists)])
        shape = (len(lists), max(len(self._place), 1))
        rows = sparse.csr_array((np.array(weights, np.float32), columns, indptr), shape=shape)
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        return sparse.csr_array(sparse.diags_array(1 / np.maximum(lengths, 1e-9).astype(np.float32)) @ rows)

    def state(self) -> State:
        return {"kind": self.kind, "weights": self._weights, "decay": self._decay}


class Words(Cosines):
    """1 - cosine of TF-IDF; frequent words of the texts themselves count little, in whatever language."""

    kind = "words"

    def __init__(self, vocabulary: Mapping[str, int], idf: Sequence[float]) -> None:
        self._vocabulary, self._idf = vocabulary, idf
        self._reader = _reader(vocabulary=dict(vocabulary))
        self._reader.idf_ = np.asarray(idf, np.float64)

    @classmethod
    def fitted(cls, texts: Sequence[str]) -> Words:
        # A word in every fifth text tells tastes apart in no language; of few texts every word may be in that many.
        reader = _reader(max_df=0.2 if len(texts) > 100 else 1.0).fit(texts)
        words = sorted(reader.vocabulary_.items(), key=lambda word: word[1])
        return cls({word: int(at) for word, at in words}, [float(one) for one in reader.idf_])

    def read(self, values: Any) -> Sparse:
        return sparse.csr_array(self._reader.transform(values), dtype=np.float32)

    def state(self) -> State:
        return {"kind": self.kind, "words": list(self._vocabulary), "idf": list(self._idf)}


def scale_of(state: State) -> Scale:
    """The scale whose `state` this is."""
    kind = state["kind"]
    if kind == "numbers":
        return Numbers(state["centre"], state["spread"], state["missing"], state["of_size"])
    if kind == "names":
        return Names({name: at for at, name in enumerate(state["names"])})
    if kind == "entries":
        return Entries(state["weights"], state["decay"])
    if kind == "words":
        return Words({word: at for at, word in enumerate(state["words"])}, state["idf"])
    return Cosines()


def _reader(**options: Any) -> TfidfVectorizer:
    pattern = r"(?u)\b\w+\b"  # one letter or digit can be a word
    return TfidfVectorizer(sublinear_tf=True, token_pattern=pattern, dtype=np.float32, **options)


def _numbers(values: Values, *, of_size: bool) -> Any:
    if of_size:
        return np.log1p([_size(value) for value in values])
    return np.array([value if isinstance(value, float) else np.nan for value in values], dtype=np.float64)


def _size(value: float | str | tuple[str, ...] | None) -> int:
    return 0 if value is None else 1 if isinstance(value, float) else len(value)
