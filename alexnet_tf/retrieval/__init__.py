"""Pictures by likeness: vectors of a split in files, short codes of them, the nearest ones."""
