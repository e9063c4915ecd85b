"""--mode=all."""

from alexnet_tf.commands import all as all_modes
from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.config import schema


def test_the_five_modes_run_in_order_with_the_same_config(monkeypatch):
    calls = []
    for command in (train, report, prepare, export, evaluate):
        name = command.__name__.rpartition('.')[2]
        monkeypatch.setattr(command, 'run', lambda config, name=name: calls.append((name, config)))
    config = schema.Config(mode='all', seed=3)
    all_modes.run(config)
    assert calls == [
        (name, config) for name in ('prepare', 'train', 'evaluate', 'export', 'report')
    ]
