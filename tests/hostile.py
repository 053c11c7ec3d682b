"""The texts that must stay inert wherever a corpus is shown; each would set window.__fired."""

from __future__ import annotations

from html.parser import HTMLParser

FIRE = "window.__fired=1"
HOSTILE_TEXTS = [
    f"<script>{FIRE}</script>",
    f'<img src=x onerror="{FIRE}">',
    f'<svg onload="{FIRE}"></svg>',
    '<iframe srcdoc="<script>parent.__fired=1</script>"></iframe>',
    f'<a href="javascript:{FIRE}" autofocus>read on</a>',
    "<style>body{display:none}</style>",
    f'<math><mtext xlink:href="javascript:{FIRE}">x</mtext></math>',
    f'" onmouseover="{FIRE}" x="',
    f"[read on](javascript:{FIRE})",
    f'![x](x" onerror="{FIRE})',
    f"&lt;script&gt;{FIRE}&lt;/script&gt;",
    f'<form><input autofocus onfocus="{FIRE}"></form>',
]
ACTIVE_TAGS = {"script", "img", "svg", "iframe", "style", "math", "form", "input", "a", "object"}
URL_ATTRIBUTES = {"href", "xlink:href", "src", "srcdoc", "action", "formaction", "data"}


class _Scanner(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ACTIVE_TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            is_script_url = name in URL_ATTRIBUTES and "javascript:" in (value or "").lower()
            if name.startswith("on") or is_script_url:
                self.found.append(f"{tag} {name}={value}")


def active_elements(markup: str) -> list[str]:
    """Elements and attributes in the markup that could run, load or restyle something."""
    scanner = _Scanner()
    scanner.feed(markup)
    return scanner.found
