"""The language model stage: a conversation in, text deltas and tool calls out."""
