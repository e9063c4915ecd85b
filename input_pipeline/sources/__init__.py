"""Where pictures come from, one file a source."""

from input_pipeline.sources import (
    catalogue,
    cifar10,
    detect,
    folder,
    foreign,
    ilsvrc2010,
    ilsvrc2012,
    listing,
    photographs,
    releases,
)

__all__ = [
    'catalogue',
    'cifar10',
    'detect',
    'folder',
    'foreign',
    'ilsvrc2010',
    'ilsvrc2012',
    'listing',
    'photographs',
    'releases',
]
