"""How Whisper, a batch model, is made to stream. Only `model` knows the library; the rest is policy and plumbing."""
