"""A Whisper that knows a handful of words, as faster-whisper loads it."""
