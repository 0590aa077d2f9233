#!/usr/bin/env bash
# The operators' tests on another Airflow, in an environment of its own: with OpenLineage, too.
#   tests/interop/airflow_version.sh [VERSION [FOLDER]]     3.1, .venv-airflow-VERSION
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:-3.1}
folder=${2:-.venv-airflow-$version}
wanted=(
  "apache-airflow==$version.*" apache-airflow-providers-amazon apache-airflow-providers-openlineage
  "moto[s3,server]>=5.1" "hypothesis>=6.100" "jsonschema>=4" "pytest>=8.3" editables hatchling
)
extras="checks,gx,airflow,approvals,webauthn"
if [ ! -e "$folder/.installed" ]; then
  if command -v uv >/dev/null; then
    uv venv --quiet --python "${PYTHON:-python3.11}" "$folder"
    uv pip install --quiet --python "$folder/bin/python" "${wanted[@]}" --editable ".[$extras]"
  else
    "${PYTHON:-python3.11}" -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet "${wanted[@]}" --editable ".[$extras]"
  fi
  touch "$folder/.installed"
fi
PATH="$PWD/$folder/bin:$PATH"
[ "${folder#/}" = "$folder" ] || PATH="$folder/bin:$PATH"
unset PYTHONPATH
export PATH OMP_NUM_THREADS=1 AIRFLOW_HOME="${TMPDIR:-/tmp}/airflow-$version-$$"
trap 'rm -rf "$AIRFLOW_HOME"' EXIT
python -m airflow version
python -m pytest -q tests/test_airflow_*.py
