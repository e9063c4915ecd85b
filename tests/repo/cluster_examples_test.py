"""examples/slurm.sh and examples/kubernetes.yaml, as far as they run without a cluster."""

import json
import pathlib
import subprocess

import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / 'examples'


@pytest.fixture
def run_with(tmp_path):
    """Runs a command whose PATH has programs that are one line of shell each."""

    def run(command, programs, **variables):
        for name, line in programs.items():
            program = tmp_path / name
            program.write_text(f'#!/bin/sh\n{line}\n')
            program.chmod(0o755)
        environment = {'PATH': f'{tmp_path}:/usr/bin:/bin'} | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.parametrize(
    ('status', 'restarts', 'is_requeued'),
    [
        (0, 0, False),
        (3, 0, False),
        (75, 0, True),
        (134, 0, True),
        (137, 3, True),
        (141, 0, False),
        (75, 20, False),
    ],
)
def test_slurm_queues_the_job_again_if_a_worker_is_lost(status, restarts, is_requeued, run_with):
    programs = {'srun': f'echo "$@"; exit {status}', 'scontrol': 'echo "scontrol $@"'}
    variables = {'SLURM_JOB_ID': '7', 'SLURM_RESTART_COUNT': str(restarts)}
    variables |= {'SLURM_CPUS_PER_TASK': '64'}
    result = run_with([EXAMPLES / 'slurm.sh', '--run_dir=/a b'], programs, **variables)
    assert result.returncode == status
    step, *rest = result.stdout.splitlines()
    assert step.startswith('--cpus-per-task=64 ')
    assert step.endswith('--mode=train --strategy=multi_worker --run_dir=/a b')
    assert rest == ['scontrol requeue 7'] * is_requeued


def test_kubernetes_describes_the_same_cluster_to_each_pod(run_with):
    yaml = pytest.importorskip('yaml')
    documents = yaml.safe_load_all((EXAMPLES / 'kubernetes.yaml').read_text())
    service, job = (document for document in documents)
    pod = job['spec']['template']['spec']
    (container,) = pod['containers']
    number = job['spec']['completions']
    variables = {item['name']: item['value'] for item in container['env']}
    assert variables['WORKERS'] == str(number) == str(job['spec']['parallelism'])
    assert service['spec']['selector'] == {'job-name': job['metadata']['name']}
    hosts = [
        f'{job["metadata"]["name"]}-{index}.{service["metadata"]["name"]}:2222'
        for index in range(number)
    ]
    assert pod['subdomain'] == service['metadata']['name']
    for index in range(number):
        environment = variables | {'JOB_COMPLETION_INDEX': str(index)}
        result = run_with(container['command'], {'python': 'echo "$TF_CONFIG"'}, **environment)
        assert json.loads(result.stdout) == {
            'cluster': {'worker': hosts},
            'task': {'type': 'worker', 'index': index},
        }
