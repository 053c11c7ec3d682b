"""A trained model at hand: weights, tokenizer and config, and what it writes after a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.core.display import table, text_samples
from labkit.model.config import ModelConfig
from labkit.model.generation import generate
from labkit.model.transformer import Transformer
from labkit.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class GeneratedText:
    """A prompt and what the model wrote after it; in a notebook it is shown as inert text."""

    prompt: str
    continuation: str

    def __str__(self) -> str:
        return self.prompt + self.continuation

    def _repr_html_(self) -> str:
        return text_samples([(self.prompt or "from nothing", str(self))], limit=1 << 20).markup


class TrainedModel:
    """`end_of_text` is the id that begins and ends a text; None where the tokenizer has none."""

    def __init__(
        self, name: str, model: Transformer, tokenizer: Tokenizer, end_of_text: int | None
    ):
        self.name = name
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.end_of_text = end_of_text

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    def generate(
        self,
        prompt: str = "",
        num_tokens: int = 200,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> GeneratedText:
        """The prompt and at most `num_tokens` tokens after it; less where the text ends before.

        An empty prompt is the beginning of a text. Temperature 0 takes the likeliest token.

        Raises:
            LabError: settings that mean nothing, or an empty prompt without an end of text.
        """
        ids = self.tokenizer.encode(prompt).tolist()
        if not ids and self.end_of_text is not None:
            ids = [self.end_of_text]
        new = generate(
            self.model,
            ids,
            num_tokens,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            end_of_text=self.end_of_text,
        )
        num_ids = self.tokenizer.vocab_size  # a model may have more, for round numbers
        return GeneratedText(prompt, self.tokenizer.decode([one for one in new if one < num_ids]))

    def __repr__(self) -> str:
        config = self.config
        return (
            f"<model {self.name}: {self._num_parameters:,} parameters, {config.num_layers} layers "
            f"of {config.d_model}, {config.context_length:,} tokens of context>"
        )

    def _repr_html_(self) -> str:
        config = self.config
        rows = {
            "model": self.name,
            "parameters": self._num_parameters,
            "layers": config.num_layers,
            "width": config.d_model,
            "context, tokens": config.context_length,
            "tokenizer": f"{self.tokenizer.name}, {self.tokenizer.vocab_size:,} ids",
        }
        return table(["", ""], rows.items()).markup

    @property
    def _num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())
