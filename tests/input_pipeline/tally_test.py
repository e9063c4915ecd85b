"""Counts of files by kind, whatever their order."""

import itertools

from input_pipeline import tally


def test_counts_and_examples_do_not_depend_on_the_order():
    files = [('turned', 'b'), ('ignored', 'd'), ('turned', 'a'), ('turned', 'c')]
    for order in itertools.permutations(files):
        parts = [{}, {}]
        for index, (kind, name) in enumerate(order):
            tally.add(parts[index % 2], kind, name)
        assert tally.merge(parts) == {'ignored': (1, 'd'), 'turned': (3, 'a')}
        assert list(tally.merge(parts)) == ['ignored', 'turned']
