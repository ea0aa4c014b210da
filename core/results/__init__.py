"""The store of results: studies as folders of Parquet files with a manifest, queried in place."""
