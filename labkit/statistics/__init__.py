"""How sure are we? Intervals from samples; numpy only."""
