"""A voice of tones in Piper's format: each phoneme has a pitch of its own."""
