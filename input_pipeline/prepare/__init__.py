"""From a source of images to sharded records."""
