"""A labkit model inside lm-evaluation-harness, whose tasks and figures others know.

    from lm_eval import simple_evaluate
    simple_evaluate(model=harness_model(lab.load_model("ID")), tasks=["arc_easy"])

Log-likelihoods are those of `scoring.py`: a stem that several requests share is read once. What the
harness truncates from the left, since it is longer than the context, is refused here.
"""

from __future__ import annotations

from typing import Any

from labkit.core.errors import LabError
from labkit.evaluation.bits import document_nats
from labkit.evaluation.item import Item
from labkit.evaluation.scoring import score_items
from labkit.exchange.trained_model import TrainedModel
from labkit.model.generation import generate

NOT_INSTALLED = "lm-evaluation-harness needs labkit[harness]: pip install 'labkit[harness]'"


def harness_model(trained: TrainedModel, *, begins_text: bool = False) -> Any:
    """The model as an `LM` of lm-evaluation-harness.

    Args:
        begins_text: put the end of text before each context, as labkit's own evaluation does.

    Raises:
        LabError: the harness is not installed.
    """
    try:
        from lm_eval.api.model import LM
    except ImportError as error:
        raise LabError(NOT_INSTALLED) from error

    class LabkitModel(LM):
        def loglikelihood(self, requests: Any) -> list[tuple[float, bool]]:
            """Requests that follow each other with one context are the choices of one item."""
            items: list[tuple[str, list[str]]] = []
            for context, continuation in (one.args for one in requests):
                if not items or items[-1][0] != context:
                    items.append((context, []))
                items[-1][1].append(continuation)
            asked = [Item(str(n), stem, tuple(one), 0) for n, (stem, one) in enumerate(items)]
            found: list[tuple[float, bool]] = []
            for score in score_items(trained, asked, begins_text=begins_text):
                if score.problem:
                    raise LabError(f"{score.problem}: {score.item.stem[:80]!r}")
                found += [(one.log_likelihood, one.is_greedy) for one in score.choices]
            return found

        def loglikelihood_rolling(self, requests: Any) -> list[float]:
            texts = [one.args[0] for one in requests]
            return [-one.nats for one in document_nats(trained, texts)]

        def generate_until(self, requests: Any) -> list[str]:
            return [self._continued(*one.args) for one in requests]

        def _continued(self, context: str, settings: dict[str, Any]) -> str:
            ids: list[int] = trained.tokenizer.encode(context).tolist()
            if not ids and trained.end_of_text is not None:
                ids = [trained.end_of_text]
            count = settings.get("max_gen_toks", 256)
            new = generate(
                trained.model,
                ids,
                count,
                seed=0,
                temperature=settings.get("temperature", 0.0),
                end_of_text=trained.end_of_text,
            )
            text = trained.tokenizer.decode(
                [one for one in new if one < trained.tokenizer.vocab_size]
            )
            stops = settings.get("until", [])
            for stop in [stops] if isinstance(stops, str) else stops:
                text = text.split(stop)[0]
            return text

    return LabkitModel()
