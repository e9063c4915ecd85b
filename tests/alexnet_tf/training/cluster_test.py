"""Which workers train together."""

import json

import pytest
import tensorflow as tf

from alexnet_tf.training import cluster

TWO = json.dumps({'cluster': {'worker': ['a:1', 'b:2']}, 'task': {'type': 'worker', 'index': 1}})


@pytest.fixture
def slurm(monkeypatch):
    """Sets what Slurm gives to one of two tasks on each of the hosts node9 and node10."""

    def set_variables(host, task, **more):
        variables = {
            'JOB_ID': 2503,
            'STEP_NUM_TASKS': 4,
            'STEP_NODELIST': 'node[9-10]',
            'STEP_TASKS_PER_NODE': '2(x2)',
            'PROCID': 2 * (host == 'node10') + task,
            'LOCALID': task,
        }
        monkeypatch.setenv('SLURMD_NODENAME', host)
        for name, value in (variables | more).items():
            monkeypatch.setenv(f'SLURM_{name}', str(value))

    monkeypatch.delenv('TF_CONFIG', raising=False)
    return set_variables


def test_every_task_of_a_slurm_step_has_the_address_of_its_own_host(slurm):
    addresses = {}
    for host in ('node9', 'node10'):
        for task in range(2):
            slurm(host, task)
            workers = cluster.find_cluster()
            port = 12_000 + 16 * 3 + task  # job 2503 is the third after 2 * 1250
            assert workers.addresses[workers.index] == f'{host}:{port}'
            addresses[workers.index] = workers.addresses
    assert sorted(addresses) == [0, 1, 2, 3]
    assert len(set(addresses.values())) == 1


def test_tf_config_counts_in_a_slurm_step_too(slurm, monkeypatch):
    slurm('node9', 0)
    monkeypatch.setenv('TF_CONFIG', TWO)
    assert cluster.find_cluster() == cluster.Cluster(('a:1', 'b:2'), 1)


def test_slurm_variables_that_describe_no_cluster_are_refused(slurm):
    slurm('elsewhere', 0)
    with pytest.raises(ValueError, match='SLURM_ variables describe no cluster'):
        cluster.find_cluster()


@pytest.mark.parametrize(
    'text',
    [
        *('', '{}', '{"cluster": {"worker": ["a:1"]}, "task": {}}'),
        *(
            json.dumps({'cluster': {'worker': workers}, 'task': {'type': 'worker', 'index': 0}})
            for workers in (['a'], [7], 'a:1', ['a:70000'], ['a..b:1'], [' a:1'])
        ),
    ],
)
def test_a_tf_config_that_describes_no_cluster_is_refused(text, slurm, monkeypatch):
    slurm('node9', 0, STEP_NUM_TASKS=1)  # one task is no cluster
    monkeypatch.setenv('TF_CONFIG', text)
    with pytest.raises(ValueError, match=r'TF_CONFIG=.* describes no cluster'):
        cluster.find_cluster()


def test_a_process_in_which_tensorflow_has_started_joins_no_cluster():
    tf.constant(0)
    with pytest.raises(ValueError, match='TensorFlow has already started in this process'):
        cluster.check_not_started()
