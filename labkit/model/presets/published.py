"""All published shapes by name. Each row is data; `ModelConfig.from_preset` gives it a type.

Parameter totals that these shapes give are held by tests against the published ones, and against
the classes of `transformers`.
"""

from __future__ import annotations

from typing import Any

from labkit.model.presets.gpt import GPT
from labkit.model.presets.llama import LLAMA
from labkit.model.presets.modern import MODERN
from labkit.model.presets.open_models import OPEN_MODELS

PRESETS: dict[str, dict[str, Any]] = GPT | LLAMA | OPEN_MODELS | MODERN
