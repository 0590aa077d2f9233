"""A ``python3`` that has imported everything already: it forks where another would start.

Kubeflow starts an interpreter per task, and scikit-learn alone takes it seconds to import. Tests of
many tasks put this one on their PATH: same argv, same environment, same code, in a fork of a
process that has done the imports.
"""

import os
import runpy
import socket
import subprocess
import sys
from contextlib import contextmanager
from json import loads

SHIM = """\
#!{python} -SE
import json, os, socket, sys
ask = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    socket.send_fds(line, [len(ask).to_bytes(8, "big")], [1, 2])
    line.sendall(ask)
    sys.exit(line.recv(1)[0])
"""
IMPORTS = """
kfp.dsl.executor_main, kfp.dsl.executor, numpy, pandas, pyarrow.parquet, scipy.stats, joblib, boto3,
sklearn.ensemble, sklearn.linear_model, sklearn.isotonic, sklearn.pipeline, duckdb,
great_expectations.expectations.registry, modelwarden.jobs.check, modelwarden.jobs.gate,
modelwarden.jobs.verify, modelwarden.jobs.release, modelwarden.jobs.trained,
modelwarden.kubeflow_artifacts, modelwarden.checks.roni, modelwarden.checks.evasion,
modelwarden.checks.backdoor
"""


@contextmanager
def python(folder):
    """Yield a folder whose ``python3`` is warm."""
    address = str(folder / "line")
    shim = folder / "bin" / "python3"
    shim.parent.mkdir(parents=True)
    shim.write_text(SHIM.format(python=sys.executable, address=address))
    shim.chmod(0o700)
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # read when numpy is imported
    )
    try:
        assert server.stdout.read(1) == b"."
        yield shim.parent
    finally:
        server.kill()
        server.wait()


def main(address):
    """Import, then fork for everyone who calls; `kfp` is told that it runs a task."""
    os.environ["_KFP_RUNTIME"] = "true"
    for name in IMPORTS.replace(",", " ").split():
        __import__(name)
    for name in list(sys.modules):
        if name.startswith("kfp.dsl.executor_main"):
            del sys.modules[name]  # or runpy warns that it is there
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        os.write(1, b".")
        while True:
            line, _ = door.accept()
            size, (out, err), *_ = socket.recv_fds(line, 8, 2)
            if not os.fork():
                body = line.makefile("rb").read(int.from_bytes(size, "big"))
                line.send(bytes([_run(loads(body), out, err)]))
                os._exit(0)
            for fd in (out, err, line.detach()):
                os.close(fd)


def _run(ask, out, err):
    """Do what ``python3 -m module ...`` does; return the exit code."""
    (_, module, *words), folder, environment = ask
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = words
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - the fork must not return to the server's loop
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
