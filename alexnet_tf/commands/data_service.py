"""`--mode=data_service`: serves decoded crops to training runs on other machines."""

import os
import threading

from alexnet_tf.config import schema
from alexnet_tf.training import signals
from input_pipeline.batches import data_service

_MOST_STOP_SECS = 5.0


def run(config: schema.Config) -> None:
    """Runs a dispatcher or a worker of tf.data service until a signal asks to stop.

    Raises:
        DataError: The port is in use, or no dispatcher answers.
    """
    settings = config.input
    if settings.service_role == 'dispatcher':
        server = data_service.start_dispatcher(settings.service_port)
        print(f'data_service: dispatcher at {server.target}', flush=True)
    else:
        server = data_service.start_worker(
            settings.service_dispatcher, settings.service_host, settings.service_port
        )
        print(f'data_service: worker of {settings.service_dispatcher}', flush=True)
    signals.wait_for_stop()
    # TensorFlow's server may take a minute to stop, after all of its jobs have ended.
    exit_at_last = threading.Timer(_MOST_STOP_SECS, os._exit, (0,))
    exit_at_last.daemon = True
    exit_at_last.start()
    del server
    exit_at_last.cancel()  # it stopped in time
