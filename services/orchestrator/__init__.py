"""The orchestrator: wires the stages into conversations, and decides who has the turn."""
