"""Streaming speech synthesis: phrases in, audio and word timings out."""
