"""labkit: decide with evidence, before you spend GPU hours. Start with `from labkit import lab`."""

__version__ = "0.1.0"
