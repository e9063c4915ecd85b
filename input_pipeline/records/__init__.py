"""Records: the manifest of their directory, writing, checking and caching."""
