"""The same content in two splits."""

from input_pipeline.prepare import duplicates


def test_images_of_other_splits_that_training_holds_are_found():
    splits = {
        'train': duplicates.SplitDigests(['t/b', 't/a', 't/c', 't/d'], ['11', '11', '22', '']),
        'validation': duplicates.SplitDigests(['v/a', 'v/b', 'v/c'], ['33', '11', '']),
        'test': duplicates.SplitDigests(['x/a', 'x/b'], ['22', '33']),
    }
    leaks = duplicates.find_leaks(splits, 'train')
    assert [(leak.train, leak.split, leak.other) for leak in leaks] == [
        ('t/c', 'test', 'x/a'),
        ('t/a', 'validation', 'v/b'),
    ]


def test_different_images_are_no_leak():
    splits = {
        'train': duplicates.SplitDigests(['a'], ['1']),
        'validation': duplicates.SplitDigests(['b'], ['2']),
    }
    assert duplicates.find_leaks(splits, 'train') == []
