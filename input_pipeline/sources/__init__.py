"""Where pictures come from, one file a source."""

from input_pipeline.sources import folder, photographs

__all__ = ['folder', 'photographs']
