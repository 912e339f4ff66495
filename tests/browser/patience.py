"""How long anything may take in a browser: nothing that is checked depends on speed, and a busy machine is slow."""

WAIT = 600_000  # milliseconds
