#!/bin/bash
# Trains on four hosts of a Slurm cluster, with a replica on each GPU; flags of training follow:
#
#   sbatch examples/slurm.sh --recipe=paper --data_dir=/nfs/records --run_dir=/nfs/run
#
# If a worker is lost, the others exit with status 75: the job is queued again, and resumes from
# the newest checkpoint. Ten minutes before the time is over, the workers save one and the job is
# queued again, too. Any other failure ends it. All hosts must see the two directories.
#
#SBATCH --job-name=alexnet
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@600
#SBATCH --requeue
#SBATCH --open-mode=append

# The workers find each other by the variables of the Slurm step. srun must not end workers that
# still report which one was lost, nor wait for one that hangs after the others have ended. Its
# status is the highest of all: above 128 if a signal ended a worker, 143 if workers were asked to end.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --wait=300 \
    python -m alexnet_tf.main --mode=train --strategy=multi_worker "$@"
status=$?

# 130: Ctrl-C. 141: nobody reads the output any more.
lost=$((status == 75 || (status > 128 && status != 130 && status != 141)))
if ((lost && ${SLURM_RESTART_COUNT:-0} < 20)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
