"""Where a run's Weights & Biases goes: decided by its plan, so that no environment can stop it.

`labkit.training.recording.tracking` hands the plan's `tracking` to `wandb.init`, and what is given
there wins over WANDB_MODE. Keys are looked for and never read out.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.cli.doctor_report import Check, pip_install

SYNC = "wandb login && wandb sync {home}/runs/*/wandb/offline-run-*"


@dataclass(frozen=True)
class WandbFacts:
    """`key_in`: where an API key for `host` lies, or None. `default`: tracking of a fresh plan."""

    version: str | None
    default: str
    host: str
    key_in: str | None = None
    mode_variable: str | None = None


def wandb(facts: WandbFacts, interpreter: str, home: str) -> Check:
    if facts.version is None:
        found = f"not installed; a run whose tracking is {facts.default} needs it"
        return Check("W&B", "warn", found, pip_install(interpreter, "wandb"))
    key = f"API key in {facts.key_in}" if facts.key_in else f"no API key for {facts.host}"
    found = f"{facts.version}, {key}; tracking is {facts.default} unless a plan says otherwise"
    if facts.mode_variable:
        found += f" (WANDB_MODE={facts.mode_variable} does not decide it)"
    if facts.key_in:
        fix = f"{SYNC.format(home=home).partition(' && ')[2]}  # or labkit train --tracking online"
        return Check("W&B", "ok", found, fix)
    return Check("W&B", "ok", found, f"{SYNC.format(home=home)}  # sends what is offline")
