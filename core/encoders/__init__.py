"""Encoders: what they are (catalog), where their weights come from, and how they run."""
