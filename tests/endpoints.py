"""Staging endpoints to probe: the right one, and one for every way to get it wrong."""

import json
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKENS = {"first": "first-s3cr3t", "second": "second-s3cr3t", "weak": "weak-s3cr3t"}
BURST = 20

# what is wrong, and what a probe has to say of it
BROKEN = {
    "no_auth": {"refuses_anonymous", "refuses_unknown_credentials"},
    "any_token": {"refuses_unknown_credentials"},
    "alt_path_open": {"refuses_anonymous", "refuses_unknown_credentials"},
    "slash_open": {"refuses_anonymous", "refuses_unknown_credentials"},
    "no_stepup": {"demands_step_up"},
    "no_limit": {"limits_clients"},
    "ten_x": {"limits_clients"},
    "replicas4": {"limits_clients"},
    "503": {"answers_429"},
    "200_error": {"answers_429"},
    "drop": {"answers_429"},
    "no_retry_after": {"says_retry_after"},
    "retry_soon": {"says_retry_after"},
    "xff_keyed": {"resists_header_bypass"},
    "forged_client": {"resists_header_bypass"},
    "raw_header": {"resists_header_bypass"},
    "path_exact": {"resists_path_bypass"},
    "per_conn": {"resists_new_connections", "serves_other_clients"},
    "global_limit": {"serves_other_clients"},
    "no_limit_second": {"limits_other_clients"},
    "race": {"limits_other_clients"},
    "never_again": {"recovers"},
    "redirect_anonymous": {
        "refuses_anonymous",
        "refuses_unknown_credentials",
        "avoids_redirects",
    },
    "redirect": {"serves_clients", "avoids_redirects"},
    "always_200_error": {"serves_clients"},
    "html": {"serves_clients"},
    "not_http": {"serves_clients"},
    "huge": {"serves_clients"},
    "endless": {"serves_clients"},
    "hang": {"serves_clients"},
    "drip": {"serves_clients"},
    "hang_when_limited": {"answers_429"},
}


class ManualClock:
    """Time that passes when somebody sleeps, for server and probe alike."""

    def __init__(self):
        self.time = 1000.0
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


class Endpoint:
    """An endpoint with one fault, on a port of its own.

    It keeps a bucket of `BURST` requests per client, refilled within a minute.
    """

    def __init__(self, fault="", clock=None, tls=None):
        self.fault = fault
        self.clock = clock or ManualClock()
        self.asked = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._levels, self._at = defaultdict(float), defaultdict(self.clock.now)
        self._turn = 0
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def over(self, client):
        """Take a drop from the client's bucket; say whether there was none."""
        limit = BURST * (10 if self.fault == "ten_x" else 1)
        now = self.clock.now()
        with self._lock:
            self._turn += 1
            if self.fault == "replicas4":
                client = f"{client} {self._turn % 4}"
            refill = 0 if self.fault == "never_again" else limit / 60
            level = self._levels[client] - (now - self._at[client]) * refill
            self._at[client], self._levels[client] = now, max(0.0, level)
            over = self._levels[client] + 1 > limit
            races = self.fault == "race" and client == "second"
            if not over and not races:
                self._levels[client] += 1
        if not over and races:  # look first, count later
            time.sleep(0.05)
            with self._lock:
                self._levels[client] += 1
        return over


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Say nothing: clients that hang up are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault, path = self.owner.fault, self.path.partition("?")[0]
        self.owner.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        token = (self.headers.get("Authorization") or "").partition(" ")[2].strip()
        client = next((name for name, known in TOKENS.items() if known == token), "")
        if fault in (
            "redirect",
            "always_200_error",
            "html",
            "not_http",
            "huge",
            "endless",
            "hang",
            "drip",
        ):
            return getattr(self, f"_{fault}")()
        if fault == "redirect_anonymous" and not client:
            return self._redirect()
        if fault == "limited_strangers" and not token and path.endswith("/export"):
            return self._answer(429)
        client = client or self._admitted(fault, path, token)
        if not client:
            return self._answer(401, **{"WWW-Authenticate": "Bearer"})
        if path.endswith("/export") and client == "weak" and fault != "no_stepup":
            challenge = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
            return self._answer(401, **{"WWW-Authenticate": challenge})
        if self._limited(fault, client, path):
            return self._refuse(fault)
        return self._answer(200, {"outputs" if path.startswith("/v2/") else "predictions": [0]})

    def _admitted(self, fault, path, token):
        if fault == "no_auth" or (fault == "any_token" and token):
            return f"stranger {token}"
        if fault == "alt_path_open" and path.startswith("/v2/"):
            return "stranger"
        return "stranger" if fault == "slash_open" and path.endswith("/") else ""

    def _limited(self, fault, client, path):
        if fault == "no_limit" or (fault == "no_limit_second" and client == "second"):
            return False
        keys = {
            "xff_keyed": self.headers.get("X-Forwarded-For") or client,
            "forged_client": self.headers.get("x-client-id") or client,
            "raw_header": self.headers.get("Authorization"),
            "path_exact": f"{client} {self.path}",
            "per_conn": self.client_address,
            "global_limit": "everybody",
        }
        return self.owner.over(keys.get(fault, client))

    def _refuse(self, fault):
        if fault == "drop":
            self.close_connection = True
            return None
        if fault == "hang_when_limited":
            return self._hang()
        after = {"no_retry_after": {}, "retry_soon": {"Retry-After": "soon"}}
        known = after.get(fault, {"Retry-After": "3"})
        code = {"503": 503, "200_error": 200}.get(fault, 429)
        return self._answer(code, {"error": "too many"}, **known)

    def _answer(self, code, body=None, **headers):
        content = json.dumps(body or {}).encode()
        self.send_response_only(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _redirect(self):
        self._answer(302, Location=f"http://127.0.0.1:{self.owner.port}/elsewhere")

    def _always_200_error(self):
        self._answer(200, {"error": "the predictions are elsewhere"})

    def _html(self):
        content = b"<html>predictions</html>"
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
        )

    def _not_http(self):
        self.wfile.write(b"220 mail.example.com ESMTP\r\n")
        self.close_connection = True

    def _huge(self):
        self._answer(200, {"predictions": "x" * 100_000})

    def _endless(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n{")
        self._until_stopped(b" " * 4096, 0)

    def _drip(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self._until_stopped(b"X-A: b\r\n", 0.02)

    def _hang(self):
        self._until_stopped(b"", 0.02)

    def _until_stopped(self, content, pause):
        self.close_connection = True
        try:
            while not self.owner.stopping.wait(pause):
                self.wfile.write(content)
                self.wfile.flush()
        except OSError:
            pass
