"""Speech synthesis: pure code."""
