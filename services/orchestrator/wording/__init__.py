"""Text on its way to speech: directives, markup, phrases, words for what is written in figures. Pure, and streaming."""
