"""What every service shares: server, health, errors, logs, traces, audio."""
