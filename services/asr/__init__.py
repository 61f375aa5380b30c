"""Speech recognition: streaming audio in, hypotheses out."""
