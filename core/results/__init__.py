"""The store of results: studies as folders of Parquet files with a manifest, queried in place.

Everywhere `info` is the study, `protocol`, `dataset`, `encoder` and `encoders` are ids in it, and `chosen` are ids of
data sets. Differences are those of the contender `second` from `first`; `way` is a key of `invariance.WAYS`.
"""
