"""Images with the same content in two splits."""

from input_pipeline.prepare import duplicates


def test_images_of_other_splits_that_training_holds_are_found():
    splits = {
        'train': [('t/b', '11'), ('t/a', '11'), ('t/c', '22'), ('t/d', '')],
        'validation': [('v/a', '33'), ('v/b', '11'), ('v/c', '')],
        'test': [('x/a', '22'), ('x/b', '33')],
    }
    leaks = duplicates.find_leaks(splits)
    assert [(leak.train, leak.split, leak.other) for leak in leaks] == [
        ('t/c', 'test', 'x/a'),
        ('t/a', 'validation', 'v/b'),
    ]


def test_different_images_are_no_leak():
    assert duplicates.find_leaks({'train': [('a', '1')], 'validation': [('b', '2')]}) == []


def test_copies_and_images_of_two_labels_are_found_in_all_splits():
    images = [
        ('b/1', 'b', '11'),
        ('a/2', 'a', '11'),
        ('a/1', 'a', '11'),
        ('a/3', 'a', '22'),
        ('b/4', 'b', ''),
        ('b/5', 'b', ''),
    ]
    copies, conflicts = duplicates.find_copies(images)
    assert copies == ['a/2']
    assert conflicts == [('a/1', 'a', 'b/1', 'b')]
