"""What pages share: cached computations, inputs, cards, charts with their downloads."""
