"""The figures of the product: pure functions from arrays to numbers, one file a subject, and no formula elsewhere.

No metric reads a file, draws, or knows a model. Malformed arguments raise ValueError; a metric that is undefined on
well-formed ones is nan. Where chance has a part, `rng` is the source of `draws` resamples.
"""
