"""Will the Jupyter server of this environment show widgets, and its kernel be this Python?

Widgets need three things that fit: the Python packages in the kernel, and in the server's
environment the JupyterLab extensions that draw them, not disabled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from labkit.cli.doctor_report import Check, pip_install

EXTENSIONS = {
    "@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets",
    "anywidget": "anywidget",
}
"""JupyterLab extension -> the package that brings it. plotly's live figures need anywidget."""
PACKAGES = ("ipykernel", "ipywidgets", *EXTENSIONS.values())


@dataclass(frozen=True)
class JupyterFacts:
    """`server`: the `jupyter-lab` beside this Python; `disabled` of the extensions found."""

    packages: dict[str, str | None] = field(default_factory=dict)
    jupyterlab: str | None = None
    server: str | None = None
    kernel_interpreter: str | None = None
    extensions: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()


def disabled_extensions(pages: Sequence[str]) -> tuple[str, ...]:
    """Those of ours that `jupyter labextension disable` has switched off; user's page first.

    >>> disabled_extensions(['{"disabledExtensions": {"anywidget": true}}'])
    ('anywidget',)
    """
    switches: dict[str, bool] = {}
    for page in reversed(pages):
        try:
            switches |= json.loads(page).get("disabledExtensions", {})
        except (ValueError, TypeError, AttributeError):
            continue  # JupyterLab says so itself
    return tuple(
        name
        for name in EXTENSIONS
        if any(is_off and key.partition(":")[0] == name for key, is_off in switches.items())
    )


def kernel(facts: JupyterFacts, interpreter: str) -> Check:
    fix = f"{interpreter} -m ipykernel install --sys-prefix --name python3"
    found = facts.kernel_interpreter
    if found is None:
        return Check("Jupyter kernel", "lack", "no kernel named python3", fix)
    if not is_same_program(found, interpreter):
        wrong = f"python3 starts {found}, not {interpreter}"
        return Check("Jupyter kernel", "lack", wrong, fix)
    return Check("Jupyter kernel", "ok", f"python3 starts {found}")


def server(facts: JupyterFacts, interpreter: str) -> Check:
    if facts.jupyterlab is None:
        fix = pip_install(interpreter, "jupyterlab")
        return Check("JupyterLab", "lack", "not installed", fix)
    if facts.server is None:
        found = f"{facts.jupyterlab} belongs to another environment: no jupyter-lab beside this one"
        return Check("JupyterLab", "warn", found, f"{interpreter} -m jupyterlab notebooks")
    return Check("JupyterLab", "ok", f"{facts.jupyterlab} at {facts.server}")


def widgets(facts: JupyterFacts, interpreter: str) -> Check:
    brought = list(EXTENSIONS.values())
    fix = pip_install(
        interpreter, f"--force-reinstall --no-deps ipywidgets {' '.join(brought)} ipykernel"
    )
    if missing := [name for name in PACKAGES if not facts.packages.get(name)]:
        return Check("widgets", "lack", f"not installed: {', '.join(missing)}", fix)
    if away := [name for name in EXTENSIONS if name not in facts.extensions]:
        found = f"JupyterLab has no extension {', '.join(away)}: nothing would be drawn"
        return Check("widgets", "lack", found, fix)
    if facts.disabled:
        found = f"disabled in JupyterLab: {', '.join(facts.disabled)}"
        names = " ".join(facts.disabled)
        return Check("widgets", "lack", found, f"jupyter labextension enable {names}")
    shown = ", ".join(f"{name} {facts.packages[name]}" for name in PACKAGES[1:])
    return Check("widgets", "ok", f"{shown}, and JupyterLab draws them")


def is_same_program(one: str, other: str) -> bool:
    """One folder, and not two versions in it; links stay, as environments may share a base."""
    folders, names = zip(
        *(os.path.split(os.path.abspath(path)) for path in (one, other)), strict=True
    )
    has_version = all("." in name for name in names)
    return folders[0] == folders[1] and (names[0] == names[1] or not has_version)
