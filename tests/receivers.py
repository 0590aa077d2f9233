"""A receiver of webhooks on this machine, which answers as it is told."""

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(ThreadingHTTPServer):
    """Keeps what it accepts; `answer` is a status, or a way to behave."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.got, self.asked = 200, [], 0
        self.released = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/s3cr3t-path"

    def handle_error(self, request, client_address):
        pass


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        answer = self.server.answer
        if isinstance(answer, str):
            getattr(self, answer)()
            return
        if 200 <= answer < 300:
            self.server.got.append((dict(self.headers), body))
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.got.append(("a redirect was followed", b""))
        self.send_error(404)

    def hang(self):
        self.server.released.wait(30)

    def drip(self):
        while not self.server.released.is_set():
            self.wfile.write(b"H")
            time.sleep(0.05)

    def close(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def garbage(self):
        self.wfile.write(b"\x00\xff not http\r\n\r\n")

    def log_message(self, *_):
        pass


@contextmanager
def receiving():
    receiver = Receiver()
    threading.Thread(
        target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        receiver.shutdown()
        receiver.server_close()
