"""Results as text."""

from alexnet_tf.reports import result_tables


def test_an_error_of_zero_has_an_interval():
    row = {'top1_error': 0.0, 'top1_low': 0.0, 'top1_high': 0.005}
    assert result_tables.format_error(row, 'top1') == '0.0 % (0.0 to 0.5)'
    assert result_tables.format_error(row | {'top1_low': ''}, 'top1') == '0.0 %'


def test_rows_of_an_older_version_have_no_interval():
    row = {'run_dir': 'a', 'views': '10', 'split': 'test', 'examples': '50', 'loss': '1.25'}
    row |= {'top1_error': '0.5', 'top5_error': '0.1'}
    header, _, line = result_tables.format_results([row]).splitlines()
    assert header.split()[:4] == ['network', 'split', 'images', 'views']
    assert line.split() == ['a', 'test', '50', '10', '50.0', '%', '10.0', '%', '1.2500']
