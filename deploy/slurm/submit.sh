#!/bin/bash
# Builds a dataset on a Slurm cluster, as three jobs that wait for each other:
#
#   submit.sh PLAN OUT SHARDS SOURCE [the writer's flags]
#   submit.sh /shared/builds/photos.json /shared/photos.beton 64 folder /shared/photos --max-resolution 512
#
# PLAN and OUT lie on a file system that all nodes have, or are URLs. Where some
# shards failed, `ffcvwrite status PLAN` names them, and these go on:
#   sbatch --array=3,7 shards.sbatch PLAN
#   sbatch merge.sbatch PLAN OUT
set -euo pipefail
if [ $# -lt 5 ]; then
	sed -n '4,5s/^# *//p' "$0" >&2
	exit 2
fi
plan=$1 out=$2 shards=$3
shift 3
cd "$(dirname "$0")"
first=$(sbatch --parsable plan.sbatch "$plan" "$shards" "$@")
array=$(sbatch --parsable --dependency="afterok:${first%%;*}" --array="0-$((shards - 1))" shards.sbatch "$plan")
merge=$(sbatch --parsable --dependency="afterok:${array%%;*}" merge.sbatch "$plan" "$out")
echo "plan ${first%%;*}, shards ${array%%;*}, merge ${merge%%;*}"
