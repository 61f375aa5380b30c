"""The parts of the pocketsphinx engine: grammar compiler, pronunciations, decoders, worker processes."""
