"""What a model may say next: grammars by llguidance, which also knows which tokens follow without a choice."""

from __future__ import annotations

from collections.abc import Sequence

import llguidance.hf
import llguidance.torch
import torch
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from transformers import PreTrainedTokenizerFast

from glowplug.errors import ModelRejected, shown


class Grammars:
    """vocabulary: width of the model's logits, which may be more than the tokenizer has tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, vocabulary: int, stops: Sequence[int]) -> None:
        self._tokenizer: LLTokenizer = llguidance.hf.from_tokenizer(
            tokenizer, n_vocab=vocabulary, eos_token=list(stops)
        )
        self._executor = LLExecutor()
        self._words = (vocabulary + 31) // 32

    def path(self, lark: str) -> Path:
        """Raises ModelRejected for a grammar that is none."""
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(lark))
        if matcher.is_error():
            raise ModelRejected(f"the grammar of the answer is not accepted ({shown(matcher.get_error())})")
        return Path(matcher)

    def allowed(self, paths: Sequence[Path], vocabulary: int, device: torch.device) -> torch.Tensor:
        """bool (paths, vocabulary): the tokens that may come next."""
        bits = torch.zeros((len(paths), self._words), dtype=torch.int32)
        llguidance.torch.fill_next_token_bitmask_par(
            self._executor, [(path.matcher, at) for at, path in enumerate(paths)], bits
        )
        shifts = torch.arange(32, dtype=torch.int32, device=device)
        spread = (bits.to(device)[:, :, None] >> shifts) & 1
        return spread.view(len(paths), -1)[:, :vocabulary].bool()


class Path:
    """One answer on its way through its grammar."""

    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher = matcher

    def take(self, token: int) -> None:
        """Raises ModelRejected for a token that may not come."""
        if not self.matcher.consume_token(token):
            raise ModelRejected(f"the answer has left its grammar ({shown(self.matcher.get_error())})")

    def forced(self) -> list[int]:
        """The tokens that must follow now; they are taken."""
        tokens = self.matcher.compute_ff_tokens()
        taken = self.matcher.try_consume_tokens(tokens) if tokens else 0
        return list(tokens[:taken])

    @property
    def is_over(self) -> bool:
        return bool(self.matcher.is_stopped())
