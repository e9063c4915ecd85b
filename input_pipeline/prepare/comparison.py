"""Compares a source and settings with those that records were prepared with."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.prepare import sharding
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

_OF_JPEGS = ('jpeg_quality', 'jpeg_subsampling')
_OLDER_SETTINGS = {'jpeg_subsampling': '444'}  # if a manifest lacks them


def find_difference(
    manifest: manifests.Manifest, source: entries_lib.Source, settings: Mapping[str, Any]
) -> str:
    """Names the first difference between a manifest and what a source would give; '' if none."""
    layout = sharding.choose_layout(source, settings['record_encoding'])
    differences = {
        'source': manifest.source != source.name,
        'classes': manifest.classes != source.classes,
        'place of the images': manifest.layout.root != layout.root,
        'record layout': dataclasses.replace(manifest.layout, root=layout.root) != layout,
        **compare_settings(manifest.settings, collect_settings(source, settings), layout),
        'images': manifest.entries_sha256 != hash_entries(source),
    }
    return next((name for name, differs in differences.items() if differs), '')


def compare_settings(
    kept: Mapping[str, Any], settings: Mapping[str, Any], layout: manifests.Layout
) -> dict[str, bool]:
    """Compares settings that have an effect with a manifest's; an older manifest may lack some.

    Returns:
        Whether each setting differs, by its name in an error message.
    """
    idle = list_idle_settings(settings['split_rule'], layout)
    kept = _OLDER_SETTINGS | kept
    return {
        f'{name}, {kept.get(name, value)} and not {value}': kept.get(name, value) != value
        for name, value in settings.items()
        if name not in idle
    }


def list_idle_settings(split_rule: str, layout: manifests.Layout) -> tuple[str, ...]:
    """Lists the settings that have no effect on records.

    Args:
        split_rule: How images are held out; '' if the source has splits of its own.
        layout: How records hold images.
    """
    of_splits = () if split_rule else ('validation_fraction',)
    return of_splits + (() if layout.encoding == 'jpeg' else _OF_JPEGS)


def collect_settings(source: entries_lib.Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Collects the settings that a manifest keeps beside the layout, with those of the source."""
    kept = {name: value for name, value in settings.items() if name != 'record_encoding'}
    return kept | source.rendering.to_settings() | {'split_rule': source.split_rule}


def hash_entries(source: entries_lib.Source) -> dict[str, str]:
    """Computes by split a hash of all images' names, labels and sizes."""

    def hash_split(entries: Sequence[entries_lib.Entry]) -> str:
        lines = sorted(entry.identity for entry in entries)
        return hashlib.sha256('\n'.join(lines).encode(errors='surrogateescape')).hexdigest()

    return {split: hash_split(entries) for split, entries in source.splits.items()}
