"""A stand-in for a Qdrant server: its REST API over real HTTP, breaking where a test says.

    python qdrant_double.py

prints `api PORT`, `control PORT` and `ready`, and serves until its parent is gone. The control port takes

    POST /fault      {"kind", "path"?, "body"?, "times"?, …}: the next requests that match break (see FAULTS)
    DELETE /fault    no more faults; requests that hang are cut
    POST /settings   {"api_key", "read_only_key", "strict", "max_body", "max_batch"}
    POST /stop       refuses connections and drops the open ones; the state is kept
    POST /start      serves again, on the same port
    POST /reset      no collections, faults or settings, an empty log
    GET /points?NAME all points of a collection, with payload and vector
    GET /requests    [{"method", "path", "size"}], in order of arrival
"""

import json
import os
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from qdrant_engine import Engine

# What a fault does with a request that it matches. Those that apply carry it out first.
FAULTS = {
    "status",        # answers `status` with `headers`, and an error text that echoes the request
    "garbage",       # 200 with HTML
    "json",          # 200 with `reply`, whatever that is
    "cut",           # headers and half of the true answer, then the end
    "reset",         # RST before any byte
    "close",         # an orderly end before any byte
    "hang",          # nothing
    "stall",         # headers and half of the true answer, then nothing
    "no_http",       # bytes of an HTTP/2 server's first frame: what a gRPC port says
    "wait_timeout",  # applies, answers 200 with that status
    "acknowledged",  # applies, answers 200 with that status
    "lost",          # applies, then resets: the answer is lost
    "slow",          # waits `seconds`, then answers truly
}


class Fault:
    def __init__(self, spec):
        if spec["kind"] not in FAULTS:
            raise ValueError(spec["kind"])
        self.spec, self.kind = spec, spec["kind"]
        self.path = re.compile(spec.get("path", ""))
        self.body = spec.get("body", "").encode()
        self.times = spec.get("times", -1)

    def matches(self, request, body):
        return self.times != 0 and self.path.search(request) and self.body in body


class Api:
    """The server that can be away, and what it does."""

    def __init__(self):
        self.engine = Engine()
        self.lock = threading.Lock()
        self.faults, self.requests, self.connections = [], [], set()
        self.healed = threading.Event()
        self.server = None
        # Bound but never listening: the port stays ours while the server is away.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        self.port = self.reserved.getsockname()[1]
        self.start()

    def start(self):
        if self.server:
            return
        self.server = Server(("127.0.0.1", self.port), ApiHandler)
        self.server.api = self
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        with self.lock:
            open_ones = list(self.connections)
        for connection in open_ones:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def fault(self, spec):
        with self.lock:
            self.faults.append(Fault(spec))

    def heal(self):
        with self.lock:
            self.faults.clear()
            self.healed.set()
            self.healed = threading.Event()

    def arrived(self, method, path, body):
        """Notes a request; the fault that it meets, or None."""
        request = f"{method} {path}"
        with self.lock:
            self.requests.append({"method": method, "path": path, "size": len(body)})
            for fault in self.faults:
                if fault.matches(request, body):
                    if fault.times > 0:
                        fault.times -= 1
                    return fault, self.healed
        return None, self.healed


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a peer that went away is no news
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one segment
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def reply(self, status, value, headers=None, upto=None):
        text = value if isinstance(value, str) else json.dumps(value)
        kind = "text/plain" if isinstance(value, str) else "application/json"
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(data if upto is None else data[:upto])
        self.wfile.flush()


class ApiHandler(Handler):
    def setup(self):
        super().setup()
        with self.server.api.lock:
            self.server.api.connections.add(self.connection)

    def finish(self):
        with self.server.api.lock:
            self.server.api.connections.discard(self.connection)
        super().finish()

    def serve(self):
        api = self.server.api
        url = urlsplit(self.path)
        path, query = unquote(url.path), dict(parse_qsl(url.query))
        body = self.body()
        fault, healed = api.arrived(self.command, path, body)

        def answer():
            headers = {name.lower(): value for name, value in self.headers.items()}
            return api.engine.answer(self.command, path, query, headers, body)

        if fault is None:
            self.reply(*answer())
        else:
            self.break_down(fault, healed, answer, body)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = serve

    def break_down(self, fault, healed, answer, body):
        spec = fault.spec
        if fault.kind == "status":
            echo = "Wrong input: " + body[:4000].decode(errors="replace")
            self.reply(spec["status"], {"status": {"error": echo}, "time": 0}, spec.get("headers"))
        elif fault.kind == "garbage":
            self.reply(200, "<html><body>" + body[:4000].decode(errors="replace") + "</body></html>")
        elif fault.kind == "json":
            self.reply(200, spec["reply"])
        elif fault.kind in ("wait_timeout", "acknowledged"):
            answer()
            self.reply(200, {"result": {"operation_id": 1, "status": fault.kind}, "status": "ok", "time": 0})
        elif fault.kind == "slow":
            time.sleep(spec["seconds"])
            self.reply(*answer())
        else:
            self.close_connection = True
            self.drop(fault, healed, answer)

    def drop(self, fault, healed, answer):
        if fault.kind == "lost":
            answer()
        if fault.kind in ("cut", "stall"):
            status, value = answer()
            self.reply(status, value, upto=len(json.dumps(value)) // 2)
        if fault.kind in ("hang", "stall"):
            healed.wait()
        if fault.kind == "no_http":
            self.wfile.write(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00")
            self.wfile.flush()
        if fault.kind in ("reset", "lost"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


class ControlHandler(Handler):
    def serve(self):
        api = self.server.api
        url = urlsplit(self.path)
        body = self.body()
        value = json.loads(body) if body else None
        result = {}
        match (self.command, url.path):
            case ("POST", "/fault"):
                api.fault(value)
            case ("DELETE", "/fault"):
                api.heal()
            case ("POST", "/settings"):
                api.engine.settings(value)
            case ("POST", "/stop"):
                api.stop()
            case ("POST", "/start"):
                api.start()
            case ("POST", "/reset"):
                api.heal()
                api.engine.reset()
                with api.lock:
                    api.requests.clear()
                api.start()
            case ("GET", "/points"):
                result = api.engine.points(unquote(url.query))
            case ("GET", "/requests"):
                with api.lock:
                    result = list(api.requests)
            case _:
                return self.reply(404, {})
        self.reply(200, result)

    do_GET = do_POST = do_DELETE = serve


def main():
    parent = os.getppid()
    api = Api()
    control = Server(("127.0.0.1", 0), ControlHandler)
    control.api = api
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(f"api {api.port}\ncontrol {control.server_address[1]}\nready", flush=True)
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
