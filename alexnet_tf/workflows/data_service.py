"""A dispatcher or a worker of the tf.data service that `--data_service` of a training run names."""

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.training import guards


def run(config: configs.Config) -> None:
    """Serves until it is told to stop."""
    given = config.input
    if given.service_role == 'dispatcher':
        server = input_pipeline.service.dispatcher(given.service_port)
        print(f'data_service: dispatcher at {server.target}', flush=True)
    else:
        server = input_pipeline.service.worker(
            given.service_dispatcher, given.service_host, given.service_port
        )
        print(f'data_service: worker of {given.service_dispatcher}', flush=True)
    guards.wait_for_stop()
