"""A dispatcher or a worker of the tf.data service that `--data_service` of a training run names."""

from alexnet_tf.config import schema
from alexnet_tf.training import signals
from input_pipeline.batches import data_service


def run(config: schema.Config) -> None:
    """Serves until it is told to stop."""
    given = config.input
    if given.service_role == 'dispatcher':
        server = data_service.dispatcher(given.service_port)
        print(f'data_service: dispatcher at {server.target}', flush=True)
    else:
        server = data_service.worker(
            given.service_dispatcher, given.service_host, given.service_port
        )
        print(f'data_service: worker of {given.service_dispatcher}', flush=True)
    signals.wait_for_stop()
