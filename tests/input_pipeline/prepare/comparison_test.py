"""Settings beside those of a manifest."""

from input_pipeline.prepare import comparison
from input_pipeline.records import manifests


def find_differences(kept, encoding='jpeg', **settings):
    layout = manifests.Layout(encoding=encoding)
    settings = {'split_rule': 'by class'} | settings
    differences = comparison.compare_settings(kept, settings, layout)
    return [name for name, differs in differences.items() if differs]


def test_settings_that_an_older_manifest_lacks_do_not_differ():
    settings = {'seed': 0, 'background': '#ffffff'}
    assert not find_differences({'seed': 0}, **settings)
    assert find_differences({'seed': 1}, **settings) == ['seed, 1 and not 0']
    assert find_differences({'seed': 0, 'background': '#000000'}, **settings)
    assert not find_differences({}, jpeg_subsampling='444')
    assert find_differences({}, jpeg_subsampling='420')


def test_settings_without_an_effect_do_not_differ():
    kept = {'validation_fraction': 0.2, 'jpeg_quality': 95}
    assert find_differences(kept, validation_fraction=0.1)
    assert not find_differences(kept, validation_fraction=0.1, split_rule='')
    assert find_differences(kept, jpeg_quality=60)
    assert not find_differences(kept, 'raw', jpeg_quality=60)
