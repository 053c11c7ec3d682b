"""The look of reports: one page frame, one style sheet, light and dark, no outside request.

A table wider than the page scrolls by itself; a shade at the side where more of it is, and a bar
that is always there, say so.
"""

from __future__ import annotations

from labkit.core.display import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5c6670; --line: #d9dee3;
  --paper: #ffffff; --wash: #f5f7f9; --link: #2563b8; --good: #1a7f4b; --bad: #b3261e;
  --shade: #1b1f2438; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #343b43;
  --paper: #14171a; --wash: #1d2126; --link: #7db3f5; --good: #5cc38b; --bad: #f2877e;
  --shade: #000000a0; } }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem 5rem; color: var(--ink);
  background: var(--paper); font: 16px/1.6 system-ui, -apple-system, 'Segoe UI', 'Noto Sans',
  'Noto Sans CJK SC', sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .5rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
p, ul, ol { max-width: 60rem; }
a { color: var(--link); }
header.run { font-size: .9rem; color: var(--soft); margin-bottom: 1.5rem; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; display: block; overflow-x: auto; max-width: 100%;
  background: linear-gradient(to right, var(--paper) 30%, transparent) left local,
    linear-gradient(to left, var(--paper) 30%, transparent) right local,
    linear-gradient(to right, var(--shade), transparent) left scroll,
    linear-gradient(to left, var(--shade), transparent) right scroll;
  background-repeat: no-repeat; background-size: 3rem 100%, 3rem 100%, 1rem 100%, 1rem 100%; }
table::-webkit-scrollbar { height: 10px; }
table::-webkit-scrollbar-thumb { background: var(--line); border-radius: 5px; }
td[style*="text-align:left"] { overflow-wrap: anywhere; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; text-align: left; }
thead th { border-bottom: 2px solid var(--line); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--wash); padding: .6rem .8rem;
  border-radius: 6px; font: .85rem/1.45 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
code { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: .9em; }
details.code > summary { color: var(--soft); font-size: .8rem; cursor: pointer; }
.figure { min-height: 120px; margin: .5rem 0; }
.good, .bad, .running { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .running { color: var(--link); }
"""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""No address outside the file is ever asked for, whatever an output or a figure may hold."""


def page(title: str, body: str, scripts: str = "") -> str:
    """A complete HTML document; `body` and `scripts` are markup already."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>{scripts}</head>\n<body>\n{body}\n</body></html>\n"
    )
