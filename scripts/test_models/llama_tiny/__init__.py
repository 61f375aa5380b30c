"""A Llama that has learned a few answers by heart, as ctranslate2.Generator loads it."""
