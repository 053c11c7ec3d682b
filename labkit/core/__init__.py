"""What all stages share: configs, artefacts, provenance, and safe display. Start at `config.py`."""
