"""Where turns' time went, against the budget: what `parley latency` shows."""
