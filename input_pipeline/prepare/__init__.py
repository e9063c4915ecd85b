"""From the images of a source to sharded records."""
