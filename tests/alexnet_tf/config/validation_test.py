"""Settings that do not go together."""

import math

import pytest

from alexnet_tf.config import fields, serialization


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'mode': 'train', 'dry_run': True}, '--dry_run belongs to --mode=prepare'),
        ({'mode': 'all', 'verify_only': True}, '--verify_only belongs to --mode=prepare'),
        ({'mode': 'train', 'compare_runs': ('a',)}, 'belongs to --mode=report or plot, not to'),
        ({'mode': 'report', 'compare_runs': ('a',)}, '--compare_runs needs --paper_tables'),
        ({'mode': 'prepare', 'source': 'folder'}, '--source=folder needs --source_dir'),
        ({'mode': 'prepare', 'source': 'tfds'}, '--source=tfds needs --dataset'),
        (
            {'mode': 'experiment', 'minutes': 9.0, 'split': 'all'},
            '--split=all belongs to --mode=ev',
        ),
        (
            {
                'mode': 'evaluate',
                'search_weights': 'validation',
                'split': 'all',
                'ensemble': ('a',),
            },
            'another split',
        ),
        ({'mode': 'predict'}, '--mode=predict needs --inputs'),
        (
            {'mode': 'predict', 'inputs': ('a',), 'views': ('1', '10')},
            'takes one of 1, 2, 10, nine',
        ),
        (
            {'mode': 'predict', 'inputs': ('a',), 'submission': 'a', 'output_file': 'b'},
            '--submission is written alone',
        ),
        ({'mode': 'retrieve'}, '--retrieve=query needs --inputs'),
        (
            {'mode': 'retrieve', 'inputs': ('a',), 'code_bits': (28, 256)},
            'takes codes of one length',
        ),
        ({'mode': 'plot', 'figure': 'gradient'}, '--figure=gradient needs --inputs'),
        ({'mode': 'experiment'}, '--mode=experiment needs either --grid'),
        (
            {'mode': 'export', 'export_also': ('onnx',), 'export_precision': 'float16'},
            '--export_also needs --export_precision=float32',
        ),
        ({'mode': 'evaluate', 'ensemble_weights': ('1',)}, 'need --ensemble=RUN_A,RUN_B'),
        (
            {'mode': 'evaluate', 'ensemble': ('a', 'b'), 'ensemble_weights': ('0', '0')},
            'at least one of them above 0',
        ),
        (
            {'mode': 'evaluate', 'ensemble': ('a',), 'search_weights': 'validation'},
            'expected another split than --split',
        ),
        ({'mode': 'train', 'init_layers': ('conv1',)}, '--init_layers needs --init_weights'),
        (
            {'mode': 'train', 'on_nonfinite': 'rollback', 'data_service': 'grpc://a:1'},
            'cannot find a batch again',
        ),
        ({'mode': 'train', 'balanced_sampling': True, 'lanes': 2}, 'Leave one of the two out'),
        ({'mode': 'train', 'profile_steps': (3,)}, 'a first and a last step'),
        ({'mode': 'train', 'profile_steps': (20, 10)}, 'a first and a last step'),
        ({'mode': 'train', 'lrn_n': 4}, '--lrn_n=4: expected an odd number'),
        ({'mode': 'train', 'learning_rate': math.inf}, 'learning_rate=inf: expected a finite'),
        ({'mode': 'train', 'initial_bias': math.nan}, '--initial_bias=nan: expected a finite'),
        ({'strategy': 'mirrored', 'devices': ('/CPU:0', '/CPU:0')}, 'a device has one replica'),
        (
            {'mode': 'train', 'strategy': 'multi_worker', 'devices': ('/CPU:0',)},
            'on the wrong devices',
        ),
        ({'mode': 'all', 'strategy': 'multi_worker'}, 'Run --mode=train on each worker'),
        ({'strategy': 'two_columns', 'devices': ('/CPU:0',)}, 'needs two --devices'),
        ({'strategy': 'one_device', 'devices': ('/CPU:0', '/CPU:1')}, '--strategy=mirrored'),
        ({'mode': 'benchmark', 'data_service': 'grpc://a:1'}, 'measures this host alone'),
        ({'mode': 'benchmark', 'strategy': 'mirrored'}, 'measures one replica'),
        ({'mode': 'benchmark', 'accumulate_steps': 2}, '--accumulate_steps'),
        ({'mode': 'benchmark', 'output': 'csv'}, 'prints a table or json'),
        ({'data_service': 'grpc://a:1', 'cache': 'disk'}, "this host's copy"),
        (
            {'mode': 'predict', 'inputs': ('a',), 'output_file': '/'},
            '--output_file=/ is a directory',
        ),
        ({'mode': 'predict', 'inputs': ('a',), 'submission': '/'}, '--submission=/ is a directory'),
        ({'run_dir': 'gs://bucket/run'}, 'expected a path on a local disk'),
        ({'run_dir': 'runs/a\n--seed=7'}, 'expected a name in UTF-8 and on one line'),
        ({'mode': 'train', 'data_dir': 'caf\udce9'}, r"--data_dir='caf\\udce9': expected a name"),
        ({'mode': 'predict', 'inputs': ('a',), 'draw': 'a.pdf'}, '--draw=a.pdf: expected a file'),
        ({'draw': 's3://bucket/a.png'}, '--draw=s3://bucket/a.png: expected a path'),
        ({'export_dir': 's3://bucket/run'}, '--export_dir=s3://bucket/run: expected a path'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(fields.UsageError, match=message):
        serialization.from_settings(settings)


@pytest.mark.parametrize(
    'settings',
    [
        {'mode': 'train', 'data_dir': 'gs://bucket/records'},
        {'mode': 'train', 'profile_steps': (10, 20)},
        {'mode': 'train', 'strategy': 'mirrored', 'devices': ('/GPU:0', '/GPU:1', '/GPU:2')},
        {'mode': 'plot', 'compare_runs': ('a', 'b')},
        {'mode': 'evaluate', 'ensemble': ('a', 'b'), 'ensemble_weights': ('1', '0')},
        {'mode': 'evaluate', 'ensemble': ('a', 'b'), 'search_weights': 'train'},
    ],
)
def test_settings_that_go_together_are_accepted(settings):
    assert serialization.from_settings(settings).mode == settings['mode']


def test_inputs_are_refused_where_they_are_given_to_a_mode_that_has_none():
    settings = {'mode': 'evaluate', 'inputs': ('a',)}
    assert serialization.from_settings(settings)  # as stored before
    with pytest.raises(fields.UsageError, match='--inputs belongs to --mode=predict or retrieve'):
        serialization.from_settings(settings, settings)


def test_a_split_of_a_data_set_is_refused_where_it_is_given_without_one():
    settings = {'validation_split': '.1'}
    assert serialization.from_settings(settings).data.validation_split == '.1'  # as stored before
    assert serialization.from_settings(settings | {'data_dir': 'tfds:mnist'}, settings)
    with pytest.raises(fields.UsageError, match=r'^--validation_split=\.1 is a split of --dataset'):
        serialization.from_settings(settings, settings)
