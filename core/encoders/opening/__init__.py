"""Weight files, opened: plain tensors under a network's names, and nothing run."""
