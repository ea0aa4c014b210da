"""Fine-tuning: settings, pixels, one training run, and the search over learning rates and weight decays."""
