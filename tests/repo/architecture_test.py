"""The architecture: imports point down only, and every package has its place."""

import ast
import functools
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# A module may import from lower layers. Packages of one layer do not import each other.
LAYERS = [
    ('alexnet_tf.config',),
    ('alexnet_tf.models',),
    (
        'alexnet_tf.training',
        'alexnet_tf.evaluation',
        'alexnet_tf.export',
        'alexnet_tf.retrieval',
        'alexnet_tf.plots',
        'alexnet_tf.reports',
        'alexnet_tf.fidelity',
    ),
    ('alexnet_tf.runs',),
    ('alexnet_tf.commands',),
    ('alexnet_tf.main', 'alexnet_tf.api'),  # the two doors
]
# Of the packages of input_pipeline; those of one number do not import each other, but records and
# sources do.
INPUT_LAYERS = {'images': 0, 'records': 1, 'sources': 1, 'prepare': 2, 'batches': 2}
# Config is known here and nowhere below.
CONFIG_READERS = (
    'alexnet_tf.runs',
    'alexnet_tf.commands',
    'alexnet_tf.api',
    'alexnet_tf.main',
    'alexnet_tf',
)
LONGER = {'add_features': "the paper's section 3.5, in its order"}  # over 40 lines, and why
# A module without a test file of its own, and the one that covers it.
COVERED_BY = {
    'alexnet_tf': 'alexnet_tf/public_names_test.py',
    'alexnet_tf.api.errors': 'alexnet_tf/public_names_test.py',
    'alexnet_tf.api.figures': 'alexnet_tf/api/classifier_test.py',
    'alexnet_tf.api.images': 'alexnet_tf/api/classifier_test.py',
    'alexnet_tf.api.inference': 'alexnet_tf/api/classifier_test.py',
    'alexnet_tf.api.layers': 'alexnet_tf/public_names_test.py',
    'alexnet_tf.api.settings': 'alexnet_tf/api/commands_test.py',
    'alexnet_tf.commands.benchmark.input': 'alexnet_tf/commands/benchmark_test.py',
    'alexnet_tf.commands.benchmark.network': 'alexnet_tf/commands/benchmark_test.py',
    'alexnet_tf.commands.benchmark.serving': 'alexnet_tf/commands/benchmark_test.py',
    'alexnet_tf.commands.benchmark.timing': 'alexnet_tf/commands/benchmark_test.py',
    'alexnet_tf.commands.data_service': 'input_pipeline/batches/data_service_test.py',
    'alexnet_tf.commands.evaluate.scoring': 'alexnet_tf/commands/evaluate_test.py',
    'alexnet_tf.commands.experiment.differences': 'alexnet_tf/commands/experiment_test.py',
    'alexnet_tf.commands.experiment.trials': 'alexnet_tf/commands/experiment_test.py',
    'alexnet_tf.commands.import_weights.contents': 'alexnet_tf/commands/import_weights_test.py',
    'alexnet_tf.commands.import_weights.data': 'alexnet_tf/commands/import_weights_test.py',
    'alexnet_tf.commands.import_weights.imported': 'alexnet_tf/commands/import_weights_test.py',
    'alexnet_tf.commands.plot.image_figures': 'alexnet_tf/commands/plot_test.py',
    'alexnet_tf.commands.plot.run_figures': 'alexnet_tf/commands/plot_test.py',
    'alexnet_tf.commands.predict.features': 'alexnet_tf/commands/predict_test.py',
    'alexnet_tf.commands.predict.streams': 'alexnet_tf/commands/predict_test.py',
    'alexnet_tf.commands.report.documents': 'alexnet_tf/commands/report_test.py',
    'alexnet_tf.commands.report.examples': 'alexnet_tf/commands/report/next_steps_test.py',
    'alexnet_tf.commands.report.findings': 'alexnet_tf/commands/report/next_steps_test.py',
    'alexnet_tf.commands.report.step': 'alexnet_tf/commands/report_test.py',
    'alexnet_tf.commands.report.validation': 'alexnet_tf/commands/report/next_steps_test.py',
    'alexnet_tf.commands.retrieve.evaluation': 'alexnet_tf/commands/retrieve_test.py',
    'alexnet_tf.commands.retrieve.indexing': 'alexnet_tf/commands/retrieve_test.py',
    'alexnet_tf.commands.train.diagnosis': 'alexnet_tf/commands/train/trainer_test.py',
    'alexnet_tf.commands.train.speed': 'alexnet_tf/commands/train/budget_test.py',
    'alexnet_tf.export.formats': 'alexnet_tf/commands/export_test.py',
    'alexnet_tf.export.litert': 'alexnet_tf/commands/export/quantized_test.py',
    'alexnet_tf.export.requests': 'alexnet_tf/export/clients_test.py',
    'alexnet_tf.fidelity.image_probes': 'alexnet_tf/commands/verify_test.py',
    'alexnet_tf.fidelity.probes': 'alexnet_tf/commands/verify_test.py',
    'alexnet_tf.fidelity.published': 'alexnet_tf/commands/verify_test.py',
    'alexnet_tf.fidelity.reference': 'alexnet_tf/commands/verify_test.py',
    'alexnet_tf.models.features': 'alexnet_tf/api/classifier_test.py',
    'alexnet_tf.models.layers.on_device': 'conformance/layers_test.py',
    'alexnet_tf.models.weights.caffemodel': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.keras_files': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.layouts': 'alexnet_tf/models/weights/mapping_test.py',
    'alexnet_tf.models.weights.matlab': 'alexnet_tf/models/weights/matconvnet_test.py',
    'alexnet_tf.models.weights.numpy_files': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.onnx_files': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.protobuf': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.safetensors_files': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.models.weights.weight_file': 'alexnet_tf/models/weights/readers_test.py',
    'alexnet_tf.plots.availability': 'alexnet_tf/commands/plot_test.py',
    'alexnet_tf.reports.paper_tables': 'alexnet_tf/commands/report/paper_comparison_test.py',
    'alexnet_tf.runs.description': 'alexnet_tf/commands/import_weights_test.py',
    'alexnet_tf.runs.image_sources': 'alexnet_tf/runs/image_index_test.py',
    'alexnet_tf.runs.initial_weights': 'alexnet_tf/commands/finetune_test.py',
    'alexnet_tf.runs.loading': 'alexnet_tf/commands/compatibility_test.py',
    'alexnet_tf.runs.network_checks': 'alexnet_tf/runs/training_data_test.py',
    'alexnet_tf.runs.predictor': 'alexnet_tf/commands/predict_test.py',
    'alexnet_tf.runs.selection': 'alexnet_tf/commands/evaluate_test.py',
    'input_pipeline.batches.tolerance': 'input_pipeline/batches/datasets_test.py',
    'input_pipeline.images.graph_bytes': 'input_pipeline/images/graph_headers_test.py',
    'input_pipeline.prepare.estimate': 'alexnet_tf/commands/prepare_test.py',
    'input_pipeline.prepare.sharding': 'input_pipeline/in_place_test.py',
    'input_pipeline.records.indexing': 'input_pipeline/records/references_test.py',
    'input_pipeline.records.reading': 'input_pipeline/batches/preprocessing_test.py',
    'input_pipeline.records.statistics': 'input_pipeline/prepare/conversion_test.py',
    'input_pipeline.records.writing': 'input_pipeline/prepare/conversion_test.py',
    'input_pipeline.sources.ilsvrc': 'input_pipeline/sources/ilsvrc2012_test.py',
    'input_pipeline.sources.record_files': 'input_pipeline/sources/tfrecords_test.py',
}
MODULES = sorted((ROOT / 'alexnet_tf').rglob('*.py')) + sorted(
    (ROOT / 'input_pipeline').rglob('*.py')
)


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


@functools.cache
def imports_of(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            imported |= {f'{node.module}.{alias.name}' for alias in node.names}
    return {name for name in imported if name.startswith(('alexnet_tf', 'input_pipeline'))}


def place_of(module):
    """The layer's number and the package of a module; None if LAYERS lacks the package."""
    if module == 'alexnet_tf':  # its __init__, which imports what is public
        return len(LAYERS), module
    for layer, packages in enumerate(LAYERS):
        for package in packages:
            if module == package or module.startswith(f'{package}.'):
                return layer, package
    return None


def problem_of(importer, imported):
    if importer.startswith('input_pipeline'):
        if not imported.startswith('input_pipeline'):
            return 'it knows nothing of alexnet_tf'
        here, there = (f'{name}.'.split('.')[1] for name in (importer, imported))
        if here == there or {here, there} == {'records', 'sources'}:
            return None
        is_below = INPUT_LAYERS.get(here, -1) > INPUT_LAYERS.get(there, -2)
        return None if is_below else 'the import points up or sideways'
    if imported.startswith('input_pipeline'):
        return None
    here, there = place_of(importer), place_of(imported)
    if here is None or there is None:
        return 'unknown package'
    if here[1] == there[1]:
        return None
    if there[1] == 'alexnet_tf.config':
        return None if here[1] in CONFIG_READERS else 'config is known to runs and above only'
    return None if here[0] > there[0] else 'the import points up or sideways'


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_imports_point_down(path):
    importer = name_of(path)
    assert importer.startswith('input_pipeline') or place_of(importer), 'LAYERS lacks its package'
    problems = {name: problem_of(importer, name) for name in imports_of(path)}
    assert not {name: why for name, why in problems.items() if why}


@pytest.mark.parametrize(
    ('importer', 'imported'),
    [
        ('alexnet_tf.models.alexnet', 'alexnet_tf.training.steps'),
        ('alexnet_tf.training.steps', 'alexnet_tf.reports.tables'),
        ('alexnet_tf.training.steps', 'alexnet_tf.config'),
        ('alexnet_tf.commands.train', 'alexnet_tf.api'),
        ('alexnet_tf.runs.run', 'alexnet_tf.commands.train'),
        ('alexnet_tf.runs.run', 'alexnet_tf'),
        ('alexnet_tf.models.alexnet', 'alexnet_tf.helpers'),
        ('alexnet_tf.helpers', 'alexnet_tf.commands'),
        ('input_pipeline.batches.shuffling', 'alexnet_tf.config'),
        ('input_pipeline.records.checking', 'input_pipeline.batches.preprocessing'),
        ('input_pipeline.prepare.conversion', 'input_pipeline.batches.datasets'),
        ('input_pipeline.files', 'input_pipeline.records.manifests'),
    ],
)
def test_forbidden_imports_are_noticed(importer, imported):
    assert problem_of(importer, imported)


def test_modules_import_each_other_without_a_circle():
    imported = {name_of(path): imports_of(path) for path in MODULES}
    waiting = {
        name: {other if other in imported else other.rpartition('.')[0] for other in others}
        - {name}
        for name, others in imported.items()
    }
    while ready := {name for name, others in waiting.items() if not others & set(waiting)}:
        waiting = {name: others for name, others in waiting.items() if name not in ready}
    assert not waiting


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    is_schema = path.name in ('schema.py', 'recipes.py')  # nothing but fields and values
    assert text.count('\n') <= 300 or is_schema
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node) or ''
            length = node.end_lineno - node.lineno - docstring.count('\n')
            assert length <= 40 or node.name in LONGER, node.name


@pytest.mark.parametrize('path', MODULES, ids=name_of)
def test_every_module_has_a_test_file(path):
    """Its mirror image, or else the one of COVERED_BY. A package's docstring needs none."""
    if path.name == '__init__.py' and path.read_text().count('\n') < 6:
        return
    name = name_of(path)
    mirror = f'{name.replace(".", "/")}_test.py'
    assert (ROOT / 'tests' / mirror).exists() != (name in COVERED_BY)
    assert (ROOT / 'tests' / COVERED_BY.get(name, mirror)).exists()


def test_covered_modules_exist():
    assert set(COVERED_BY) <= set(map(name_of, MODULES))


def test_flags_and_tests_are_data_not_packages():
    for folder in ('flags', 'tests'):
        assert not list((ROOT / folder).rglob('__init__.py'))
