"""Lightning without what torchmetrics imports for metrics of sound and text, which no run asks for.

Lightning imports all of torchmetrics, and that imports scipy.signal and transformers wherever they
are installed. It can do without either and asks lightning_utilities for them; while it is imported
the answer is no. Nothing else sees that: both can be imported before, meanwhile and after. A metric
that needs one then refuses as it does where it is missing, so this is for processes that do nothing
but train. With a release that asks in another way the import takes longer, no more.
"""

from __future__ import annotations

import importlib
import sys
from unittest import mock

UNUSED = ("scipy", "transformers")


def import_lightning() -> None:
    """Before any other import of Lightning; after one it does nothing."""
    if "torchmetrics" in sys.modules:
        return
    from lightning_utilities.core import imports
    from packaging.requirements import Requirement

    if not (hasattr(imports, "package_available") and hasattr(imports, "RequirementCache")):
        return
    is_installed, is_met = imports.package_available, imports.RequirementCache.__bool__

    def package_available(name: str) -> bool:
        return name not in UNUSED and is_installed(name)

    def met(asked: imports.RequirementCache) -> bool:
        if asked.requirement and Requirement(asked.requirement).name in UNUSED:
            asked.available = False  # kept, or later answers would differ from this one
            asked.message = f"{asked.requirement} is left out of a process that trains"
        return is_met(asked)

    with (
        mock.patch.object(imports, "package_available", package_available),
        mock.patch.object(imports.RequirementCache, "__bool__", met),
    ):
        importlib.import_module("lightning")
