"""A directory of records: its manifest, writing, checking and caching."""
