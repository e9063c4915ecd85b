"""Every setting: its schema, its validation, and its command-line flags."""
