"""--mode=all."""

import types

from alexnet_tf import main
from alexnet_tf.commands import all as all_modes
from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.config import schema, serialization
from alexnet_tf.export import formats
from alexnet_tf.runs import image_index


def test_the_five_modes_run_in_order_with_the_same_config(monkeypatch):
    calls = []
    for command in (train, report, prepare, export, evaluate):
        name = command.__name__.rpartition('.')[2]
        monkeypatch.setattr(command, 'run', lambda config, name=name: calls.append((name, config)))
    manifest = types.SimpleNamespace(splits={'validation': ()}, directory='data')
    monkeypatch.setattr(image_index, 'load_manifest', lambda config: manifest)
    config = schema.Config(mode='all', seed=3)
    assert all_modes.run(config) == (config, 'predict')
    assert calls == [
        (name, config) for name in ('prepare', 'train', 'evaluate', 'export', 'report')
    ]


def test_what_is_missing_at_the_end_is_said_before_training(
    shared_folder, data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train, 'run', None)
    monkeypatch.setattr(formats, 'find_missing_package', lambda kind: 'tf2onnx')

    def fail(*flags):
        run_dir = f'--run_dir={tmp_path / "run"}'
        assert main.main(['alexnet_tf', '--mode=all', run_dir, *flags]) == 2
        return capsys.readouterr().err

    photos = f'--source_dir={shared_folder}', f'--data_dir={tmp_path / "data"}'
    message = '--minutes needs a schedule whose end is known in advance, --schedule=cosine'
    assert message in fail(*photos, '--minutes=5')
    assert '--export_also=onnx requires tf2onnx' in fail(*photos, '--export_also=onnx')
    monkeypatch.setattr(prepare, 'run', lambda config: 'train')
    assert '--split=test: the records in' in fail(data, '--split=test')
    assert not list(tmp_path.iterdir())


def test_a_run_that_resumes_needs_no_source(data, tmp_path, monkeypatch):
    calls = []
    for command in (train, report, prepare, export, evaluate):
        name = command.__name__.rpartition('.')[2]
        monkeypatch.setattr(command, 'run', lambda config, name=name: calls.append(name))
    run_dir = tmp_path / 'run'
    run_dir.mkdir()
    flags = ['alexnet_tf', '--mode=all', f'--run_dir={run_dir}', data]
    started = flags_lib.parse([*flags, f'--source_dir={tmp_path / "gone"}', '--source=folder'])
    (run_dir / 'config.json').write_text(serialization.to_json(started))
    all_modes.run(flags_lib.parse(['alexnet_tf', f'--run_dir={run_dir}', '--resume']))
    assert calls == ['train', 'evaluate', 'export', 'report']
    calls.clear()
    all_modes.run(started)
    assert calls[0] == 'prepare'


def test_ten_views_are_for_few_held_out_images(monkeypatch):
    views = []
    for minutes, images in ((10, 1800), (10, 1801), (20, 1801)):
        manifest = types.SimpleNamespace(count_examples={'validation': images}.get)
        monkeypatch.setattr(image_index, 'load_manifest', lambda config, m=manifest: m)
        config = schema.Config(training=schema.Training(minutes=minutes))
        views.append(all_modes.choose_views(config).evaluation.views)
    assert views == [('1', '10'), ('1', '2'), ('1', '10')]


def test_views_that_are_given_are_not_chosen():
    config = schema.Config(
        training=schema.Training(minutes=10), evaluation=schema.Evaluation(views=('2',))
    )
    assert all_modes.choose_views(config) is config
    assert all_modes.choose_views(schema.Config()).evaluation.views == ()


def test_what_contradicts_minutes_is_refused_before_images_are_prepared(
    shared_folder, tmp_path, capsys
):
    places = [f'--source_dir={shared_folder}', f'--data_dir={tmp_path / "data"}']
    flags = [*places, f'--run_dir={tmp_path / "run"}', '--recipe=modern', '--minutes=1']
    assert main.main(['alexnet_tf', '--mode=all', *flags, '--epochs=2']) == 2
    assert '--epochs=2: --minutes=1 chooses this itself' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_flags_of_training_do_not_prepare_records_again(data):
    argv = ['alexnet_tf', '--mode=all', data]
    for flag, is_kept in (
        ('--max_bad_fraction=0.05', True),
        ('--statistics=9', True),
        ('--validation_fraction=0.3', False),
    ):
        assert all_modes._holds_data(flags_lib.parse([*argv, flag])) == is_kept, flag


def test_another_seed_of_training_needs_no_other_records(data):
    config = flags_lib.parse(['alexnet_tf', '--mode=all', data, '--seed=7'])
    assert prepare._keep_seed(config).seed == 0
    alone = flags_lib.parse(['alexnet_tf', '--mode=prepare', data, '--seed=7'])
    assert prepare._keep_seed(alone).seed == 7
