"""The wing between pictures and batches. Its door: other packages import its modules here.

To records: `sources`, `array_pickle`, `headers`, `graph_headers`, `gif`, `pictures`, `shards`,
`engine`, `beam_engine`, `locks`, `leaks`, `tasks`, `convert`, `plan`, `statistics`, `records`. From
records: `order`, `preprocessing`, `random_bits`, `augmentation`, `pipeline`, and `cache`, `service`
where one host's disk or CPU does not suffice. What is wrong with them: `inspection`.
Nothing here knows of networks or of `alexnet_tf`.
Importing the wing does not import TensorFlow; naming one of its modules does.
"""

import importlib

_MODULES = (
    'array_pickle',
    'augmentation',
    'beam_engine',
    'cache',
    'convert',
    'engine',
    'errors',
    'files',
    'gif',
    'graph_headers',
    'greeting',
    'headers',
    'inspection',
    'leaks',
    'locks',
    'order',
    'pictures',
    'pipeline',
    'plan',
    'preprocessing',
    'random_bits',
    'records',
    'service',
    'shards',
    'sources',
    'statistics',
    'tasks',
)


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
