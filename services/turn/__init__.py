"""Turn detection: voice activity, endpointing, interruptions and backchannels of one caller."""
