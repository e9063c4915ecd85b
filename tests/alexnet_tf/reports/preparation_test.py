"""Tables of what prepare found: all classes if they are few, else the extremes."""

from alexnet_tf.reports import preparation


def test_few_classes_are_all_listed():
    table = preparation.format_classes({f'class {at}': {'train': at} for at in range(30)})
    assert [line.split()[-1] for line in table.splitlines()[2:]] == [str(at) for at in range(30)]


def test_of_many_classes_the_largest_and_the_smallest_are_listed():
    table = preparation.format_classes({f'{at}': {'train': at % 37} for at in range(37)})
    rows = [line.split() for line in table.splitlines()[2:]]
    assert [row[1] for row in rows[:5]] == ['36', '35', '34', '33', '32']
    assert [row[1] for row in rows[6:]] == ['4', '3', '2', '1', '0']
    assert rows[5] == ['...', '27', 'more']


def test_nothing_is_printed_where_nothing_happened():
    assert preparation.format_files({}) == ''
