"""The appointment desk, called by a caller made of synthesised speech, and checked from end to end."""
