"""Finds the workers that train together, from TF_CONFIG or Slurm."""

import dataclasses
import json
import os
import re

import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

# Ports of Slurm jobs, chosen so that jobs on one host rarely use the same ones.
_FIRST_PORT, _JOBS, _PORTS_OF_A_JOB = 12_000, 1_250, 16

_ADDRESS = re.compile(r'(?!.*\.\.)[^\s:]+:\d{1,5}|\[[^\]]+\]:\d{1,5}')


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training run.

    Attributes:
        addresses: 'host:port' of each worker.
        index: Index of this worker.
    """

    addresses: tuple[str, ...]
    index: int

    def describe(self, worker: int) -> str:
        """Describes a worker by index and address.

        >>> Cluster(('host1:2222', 'host2:2222'), 0).describe(1)
        'the worker with index 1 (host2:2222)'
        """
        return f'the worker with index {worker} ({self.addresses[worker]})'

    def create_strategy(self, collective: str = 'auto') -> tf.distribute.Strategy:
        """Creates the workers' strategy, with the collectives 'ring', 'nccl' or 'auto'.

        TensorFlow's own health checks are turned off, for which there is no public interface: its
        coordination service blocks all threads of Python if a worker is lost at the start, and
        later gives up after ten seconds.
        """
        context.context().configure_coordination_service(service_type='')
        collective_all_reduce_strategy.CollectiveAllReduceExtended._enable_check_health = False
        options = tf.distribute.experimental.CommunicationOptions(implementation=collective)
        return tf.distribute.MultiWorkerMirroredStrategy(self._create_resolver(), options)

    def _create_resolver(self) -> tf.distribute.cluster_resolver.ClusterResolver:
        return tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({'worker': list(self.addresses)}),
            task_type='worker',
            task_id=self.index,
            num_accelerators={'GPU': count_gpus()},
            rpc_layer='grpc',
        )


def count_gpus() -> int:
    """Counts the GPUs of this host that TensorFlow may use."""
    return len(tf.config.list_physical_devices('GPU'))


def check_not_started() -> None:
    """Checks that TensorFlow can still be configured for a cluster in this process.

    Raises:
        ValueError: TensorFlow has started. It would report this only once the other workers
            connect.
    """
    if context.context()._context_handle is not None:
        raise ValueError(
            'TensorFlow has already started in this process, but multi_worker has to configure it '
            'first. Restart Python, and train before anything else uses TensorFlow.'
        )


def find_cluster() -> Cluster:
    """Finds the cluster of this process, by TF_CONFIG or the several tasks of a Slurm step.

    Raises:
        ValueError: Neither describes a cluster.
    """
    has_tasks = os.environ.get('SLURM_STEP_NUM_TASKS', '1') != '1'
    if has_tasks and not os.environ.get('TF_CONFIG'):
        return _read_slurm()
    return _read_tf_config()


def _read_tf_config() -> Cluster:
    text = os.environ.get('TF_CONFIG', '')
    try:
        config = json.loads(text)
        addresses, task = config['cluster']['worker'], config['task']
        kinds, index = set(config['cluster']), task['index']
        is_worker = kinds == {'worker'} and task['type'] == 'worker'
        if not is_worker or not isinstance(addresses, list) or not 0 <= index < len(addresses):
            raise KeyError('worker')
        for address in addresses:
            if not _ADDRESS.fullmatch(address) or int(address.rpartition(':')[2]) >= 2**16:
                raise KeyError(address)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'TF_CONFIG={text!r} describes no cluster. For --strategy=multi_worker set it on each '
            'host, with an index of its own, such as '
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}. The tasks of a Slurm step need none, if '
            'there are several; for the GPUs of one host take --strategy=mirrored.'
        ) from error
    return Cluster(tuple(addresses), index)


def _read_slurm() -> Cluster:
    try:
        job, tasks = int(os.environ['SLURM_JOB_ID']), int(os.environ['SLURM_STEP_NUM_TASKS'])
        port = _FIRST_PORT + job % _JOBS * _PORTS_OF_A_JOB
        # The resolver fails without GPUs: it assumes one per task here, and selects none.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = tuple(resolver.cluster_spec().job_tasks('worker'))
        # It sorts hosts by name: with host9 and host10, SLURM_PROCID is not the index.
        own = f'{os.environ["SLURMD_NODENAME"]}:{port + int(os.environ["SLURM_LOCALID"])}'
        return Cluster(addresses, addresses.index(own))
    except (ValueError, KeyError, RuntimeError) as error:
        raise ValueError(
            f'the SLURM_ variables describe no cluster: {error}. Start the workers by srun, or set '
            'TF_CONFIG.'
        ) from error
