"""Continuous batching: answers of many texts grow together, a token or more at a time, and new texts join at once.

The conversation before the text is computed once. Tokens that the grammar leaves no choice about cost no pass.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch

from glowplug.errors import GlowplugError, ModelRejected
from glowplug.inference.devices import is_out_of_memory
from glowplug.inference.grammar import Grammars, Path
from glowplug.inference.language_model import LanguageModel, Message
from glowplug.inference.rows import Prefix, Rows
from glowplug.observe import metrics

READ_TOKENS = {"cpu": 512, "cuda": 8_192}  # of new texts in one pass, padding included: what keeps a device busy
MOST_PREFIXES = 8  # users and items have one each
RANKS = 2  # 0 goes first


@dataclass(frozen=True, slots=True)
class Request:
    """messages: a conversation with HOLE for the text. grammar: in llguidance's Lark. rank: 0 before 1."""

    messages: tuple[Message, ...]
    text: str
    grammar: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """tokens: how many it has. is_cut: it had to end before its grammar did."""

    text: str
    tokens: int
    is_cut: bool


@dataclass(slots=True, eq=False)
class Ticket:
    """A request under way. done: an Answer, or ModelRejected where this one does not work."""

    request: Request
    done: Future[Answer | ModelRejected] = field(default_factory=Future)
    is_wanted: bool = True
    # Filled once it is admitted.
    prefix: Prefix = field(default_factory=lambda: Prefix(()))
    prompt: list[int] = field(default_factory=list)
    path: Path | None = None
    generated: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)


class Generation:
    """The loop without a thread: `put`, and `step` while it says that there is more to do."""

    def __init__(self, model: LanguageModel, *, rows: int, cache_tokens: int, answer_tokens: int) -> None:
        """cache_tokens: rows times the longest of them stays within."""
        self._model = model
        self._grammars = Grammars(model.tokenizer, model.vocabulary, model.stops)
        self._most, self._limit = rows, rows
        self._cache_tokens, self._answer_tokens = cache_tokens, answer_tokens
        self._read_tokens = READ_TOKENS.get(model.device.type, READ_TOKENS["cuda"])
        self._rows = Rows(model.device)
        self._waiting: tuple[deque[Ticket], ...] = tuple(deque() for _ in range(RANKS))
        self._running: list[Ticket] = []
        self._prefixes: OrderedDict[str, tuple[Prefix, list[int]]] = OrderedDict()

    def put(self, ticket: Ticket) -> None:
        self._waiting[ticket.request.rank].append(ticket)

    @torch.inference_mode()
    def step(self) -> bool:
        """New texts are read, or every answer grows; False where nothing is left to do. A step that memory cannot
        hold is taken back, and half as many go on together."""
        try:
            self._leave([row for row, ticket in enumerate(self._running) if not ticket.is_wanted])
            joined = self._admit()
            if joined:
                self._read(len(self._running) - joined)
            elif self._running:
                self._grow(0, len(self._running))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            is_full = True
        else:
            is_full = False
        if is_full:  # outside the except block: the traceback there keeps the failed pass's tensors alive
            self._halve()
        metrics.generating_rows.set(len(self._running))
        is_more = bool(self._running) or any(self._waiting)
        if not is_more:
            self._limit = self._most
            self._rows.clear()  # one long text made all rows long
        return is_more

    def clear(self) -> None:
        """Nobody waits for anything any more."""
        self._running.clear()
        for line in self._waiting:
            line.clear()
        self._rows.clear()

    # ---- joining -----------------------------------------------------------------------------------------

    def _admit(self) -> int:
        """How many have joined, as the last rows."""
        joined = 0
        while len(self._running) < self._limit:
            line = next((line for line in self._waiting if line), None)
            if line is None:
                break
            ticket = line[0]
            try:
                if ticket.is_wanted:
                    self._prepare(ticket)
            except GlowplugError as error:
                self._refuse(ticket, error)
                ticket.is_wanted = False
            longest = max(map(self._room, (*self._running, ticket)))
            if ticket.is_wanted and self._running and longest * (len(self._running) + 1) > self._cache_tokens:
                break
            line.popleft()
            if not ticket.is_wanted:
                continue
            self._running.append(ticket)
            self._rows.add(ticket.prefix)
            joined += 1
        return joined

    def _prepare(self, ticket: Ticket) -> None:
        """Raises ModelRejected for a grammar, ModelMissing for a conversation that does not do."""
        if ticket.path is None:
            ticket.path = self._grammars.path(ticket.request.grammar)
            ticket.prefix, behind = self._prefix(ticket.request.messages)
            limit = min(self._cache_tokens, self._model.positions or self._cache_tokens)
            room = limit - len(ticket.prefix.tokens) - len(behind) - self._answer_tokens
            ticket.prompt = self._model.tokens(ticket.request.text)[: max(room, 0)] + behind
            ticket.generated = ticket.path.forced()
            metrics.generated_tokens.labels("forced").inc(len(ticket.generated))
        ticket.pending = ticket.prompt + ticket.generated

    def _room(self, ticket: Ticket) -> int:
        return len(ticket.prefix.tokens) + len(ticket.prompt) + self._answer_tokens

    def _prefix(self, messages: tuple[Message, ...]) -> tuple[Prefix, list[int]]:
        key = json.dumps(messages)
        if key not in self._prefixes:
            before, behind = self._model.frame(messages)
            self._prefixes[key] = Prefix(tuple(before)), behind
            if before:
                row = self._rows.add(Prefix(()))
                try:
                    self._model.advance(self._rows, row, row + 1, [before])
                    keys, values = self._rows.copy(row)
                    self._prefixes[key] = Prefix(tuple(before), keys, values), behind
                except BaseException:
                    del self._prefixes[key]
                    raise
                finally:
                    self._rows.remove(row)
            while len(self._prefixes) > MOST_PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    # ---- growing -----------------------------------------------------------------------------------------

    def _read(self, first: int) -> None:
        """The rows from `first` on have joined: as many in a pass as its budget allows, one at least."""
        while first < len(self._running):
            last = first + 1
            longest = len(self._running[first].pending)
            while last < len(self._running):
                longest = max(longest, len(self._running[last].pending))
                if longest * (last + 1 - first) > self._read_tokens:
                    break
                last += 1
            first = last - self._grow(first, last)

    def _grow(self, first: int, last: int) -> int:
        """One pass over rows [first, last); how many of all rows have left, done."""
        tickets = self._running[first:last]
        logits = self._model.advance(self._rows, first, last, [ticket.pending for ticket in tickets])
        paths = [ticket.path for ticket in tickets if ticket.path is not None]
        allowed = self._grammars.allowed(paths, logits.shape[1], logits.device)
        chosen: list[int] = logits.masked_fill(~allowed, -torch.inf).argmax(dim=-1).tolist()
        over: list[int] = []
        for row, (ticket, path, token) in enumerate(zip(tickets, paths, chosen, strict=True), first):
            if self._takes(ticket, path, token):
                over.append(row)
        self._leave(over)
        return len(over)

    def _takes(self, ticket: Ticket, path: Path, token: int) -> bool:
        """Whether the answer is done, or refused."""
        try:
            path.take(token)
        except ModelRejected as error:
            self._refuse(ticket, error)
            return True
        forced = path.forced()
        ticket.pending = [token, *forced]
        ticket.generated += ticket.pending
        metrics.generated_tokens.labels("chosen").inc()
        metrics.generated_tokens.labels("forced").inc(len(forced))
        is_cut = not path.is_over and len(ticket.generated) >= self._answer_tokens
        if path.is_over or is_cut:
            tokens = ticket.generated[: self._answer_tokens] if is_cut else ticket.generated
            ticket.done.set_result(Answer(self._model.text(tokens), len(tokens), is_cut))
        return path.is_over or is_cut

    def _leave(self, over: Sequence[int]) -> None:
        for row in sorted(over, reverse=True):
            self._rows.remove(row)
            self._running[row] = self._running[-1]
            self._running.pop()

    def _halve(self) -> None:
        """All begin again from what they have said, half as many at once; one alone does not fit at all."""
        tickets, self._running = self._running, []
        self._rows.clear()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(tickets) <= 1:
            line = next((line for line in self._waiting if line), None)
            alone = tickets[0] if tickets or line is None else line.popleft()
            self._refuse(alone, ModelRejected("the text does not fit into the device's memory"))
            return
        self._limit = max(1, len(tickets) // 2)
        for ticket in reversed(tickets):
            self._waiting[ticket.request.rank].appendleft(ticket)

    def _refuse(self, ticket: Ticket, error: GlowplugError) -> None:
        if isinstance(error, ModelRejected):
            ticket.done.set_result(error)
        else:
            ticket.done.set_exception(error)
