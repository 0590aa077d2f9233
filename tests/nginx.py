"""A real nginx in front of a model: who asks is known by a key, and the limits are what is given.

`Nginx` is for every test that needs a gateway that enforces something.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

_CONFIGURATION = """\
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
  log_format clients escape=json '{{"time": "$time_iso8601", "client": "$account", '
                                 '"path": "$uri", "status": $status}}';
  access_log {access};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  map $http_authorization $account {{
    default "";
{accounts}
  }}
  map "$account $uri" $lacks_second_factor {{
    default "";
    "~^weak .*/export" 1;
  }}
  include limits.conf;
  server {{
    listen 127.0.0.1:{port};
    if ($account = "") {{ return 401; }}
    if ($lacks_second_factor) {{ return 401; }}
    location / {{ proxy_pass {upstream}; }}
  }}
  server {{
    listen unix:{folder}/model.sock;
    access_log off;
    location /v1/ {{ return 200 '{{"predictions": [0]}}'; }}
    location /v2/ {{ return 200 '{{"outputs": [0]}}'; }}
    location / {{ return 404; }}
  }}
}}
"""


class Nginx:
    """An nginx on a free port of this machine, for as long as the `with` lasts.

    Parameters
    ----------
    folder : Path
        Where its files go.
    limits : str
        What `modelwarden limits render --target nginx` wrote; "" for none.
    tokens : mapping of str to str
        Bearer tokens by account; the account ``weak`` has no second factor.
    upstream : str, optional
        The model, as `proxy_pass` takes it; one that always answers by default.
    access_log : str, optional
        What `access_log` takes, such as ``/path/log clients``, JSON lines with the account; off by
        default.
    """

    def __init__(self, folder, limits, tokens, *, upstream="", access_log="off"):
        self.folder, self.port = folder, _free_port()
        folder.mkdir(exist_ok=True)
        (folder / "limits.conf").write_text(limits)
        accounts = "\n".join(f'    "~*^bearer +{token}$" {name};' for name, token in tokens.items())
        root = os.getuid() == 0
        (folder / "nginx.conf").write_text(
            _CONFIGURATION.format(
                user=f"user {pwd.getpwuid(0).pw_name};" if root else "",
                folder=folder,
                port=self.port,
                access=access_log,
                accounts=accounts,
                upstream=upstream or f"http://unix:{folder}/model.sock",
            )
        )

    @property
    def url(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        command = [NGINX, "-c", f"{self.folder}/nginx.conf", "-e", f"{self.folder}/error.log"]
        self._process = subprocess.Popen(command)
        until = time.monotonic() + 20
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        self.__exit__()
        raise AssertionError((self.folder / "error.log").read_text())

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
