"""Results as text."""

from alexnet_tf.reports import result_tables

ROW = {'run_dir': 'a', 'views': '10', 'split': 'test', 'examples': '50', 'loss': '1.25'}
ROW |= {'top1_error': '0.5', 'top5_error': '0.1'}


def test_an_error_of_zero_has_an_interval():
    row = {'top1_error': 0.0, 'top1_low': 0.0, 'top1_high': 0.005}
    assert result_tables.format_error(row, 'top1') == '0.0 % (0.0 to 0.5)'
    assert result_tables.format_error(row | {'top1_low': ''}, 'top1') == '0.0 %'


def test_rows_of_an_older_version_have_no_interval():
    header, _, line = result_tables.format_results([ROW], num_classes=6).splitlines()
    assert header.split()[:4] == ['network', 'split', 'images', 'views']
    assert line.split() == ['a', 'test', '50', '10', '50.0', '%', '10.0', '%', '1.2500']


def test_five_classes_have_no_top5_error():
    header, _, line = result_tables.format_results([ROW], num_classes=5).splitlines()
    assert 'top-5' not in header
    assert line.split() == ['a', 'test', '50', '10', '50.0', '%', '1.2500']


def test_classes_are_listed_with_their_accuracy_the_lowest_first():
    """3 of 4 cats and 15 of 16 dogs are right: 18 of 20."""
    ranked = [('cat', 4, 0.25, 0.0, 'dog'), ('dog', 16, 0.0625, 0.0, 'cat')]
    _, title, _, _, cat, dog = result_tables.format_classes(ranked, 10).splitlines()
    assert title == 'accuracy 90.0 % (10 views); by class:'
    assert cat.split() == ['cat', '4', '75.0', '%', 'dog']
    assert dog.split() == ['dog', '16', '93.8', '%', 'cat']


def test_of_many_classes_the_first_ten_are_listed():
    ranked = [(f'class {at}', 1, 0.0, 0.0, '') for at in range(1200)]
    lines = result_tables.format_classes(ranked, 1).splitlines()
    assert 'accuracy 100.0 % (1 view); by class, the first 10 of 1,200:' in lines
    assert len(lines) == 2 + 2 + 10
