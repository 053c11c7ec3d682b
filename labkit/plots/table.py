"""A DataFrame that shows itself as the lab's tables do: escaped, no index, 1,234 for 1234."""

from __future__ import annotations

import pandas as pd

from labkit.core.display import table

MAX_ROWS = 60


class Table(pd.DataFrame):
    """Everything a DataFrame is; only its look in a notebook differs."""

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def _repr_html_(self) -> str:
        if self.empty:
            return table(list(self.columns), [], caption="nothing found").markup
        rows = self.head(MAX_ROWS).astype(object).itertuples(index=False, name=None)
        left = len(self) - MAX_ROWS
        caption = f"the first {MAX_ROWS} of {len(self):,} rows" if left > 0 else ""
        return table([str(name) for name in self.columns], rows, caption).markup
