# The cart: an ordinary Python program. urllib honours http_proxy, so that it calls http://orders/ by its plain name.
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = os.environ.get("INSTANCE", "cart")
lock = threading.Lock()
counts = {"instance": INSTANCE, "requests": 0, "answered": 0, "mostAtOnce": 0, "connections": 0, "bytes": 0, "byIdentity": {}, "byMethod": {}}
faults = {"delayMs": 0, "status": 0}


class Cart(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        with lock:
            counts["connections"] += 1

    def handle_one(self):
        length = int(self.headers.get("content-length") or 0)
        if length > 0:
            self.rfile.read(length)
        identity = self.headers.get("weft-client-identity", "(none)")
        with lock:
            counts["requests"] += 1
            counts["mostAtOnce"] = max(counts["mostAtOnce"], counts["requests"] - counts["answered"])
            counts["bytes"] += len(self.requestline) + length
            counts["byIdentity"][identity] = counts["byIdentity"].get(identity, 0) + 1
            counts["byMethod"][self.command] = counts["byMethod"].get(self.command, 0) + 1
        if faults["delayMs"] > 0:
            time.sleep(faults["delayMs"] / 1000)
        if faults["status"] != 0:
            self.reply(faults["status"], "broken on purpose\n")
            return
        headers = {name: self.headers[name] for name in ("traceparent", "tracestate", "x-request-id") if name in self.headers}
        try:
            with urllib.request.urlopen(urllib.request.Request("http://orders/orders", headers=headers), timeout=10) as orders:
                self.reply(orders.status, "cart of " + orders.read().decode())
        except urllib.error.HTTPError as error:
            self.reply(error.code, error.read().decode())
        except OSError as error:
            self.reply(502, "orders: %s\n" % error)

    do_GET = handle_one
    do_POST = handle_one

    def reply(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-instance", INSTANCE)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        with lock:
            counts["answered"] += 1

    def log_message(self, *_):
        pass


class Operations(BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            body = json.dumps({**counts, "faults": faults}).encode()
            counts["mostAtOnce"] = counts["requests"] - counts["answered"]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        changed = json.loads(self.rfile.read(int(self.headers["content-length"])))
        faults.update({name: changed[name] for name in faults if name in changed})
        self.do_GET()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGINT, lambda *_: os._exit(0))
server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Cart)
operations = Server(("127.0.0.1", 0), Operations)
threading.Thread(target=operations.serve_forever, daemon=True).start()
print(json.dumps({"name": "cart", "instance": INSTANCE, "port": server.server_port, "operationsPort": operations.server_port}), flush=True)
sys.stdout.close()
server.serve_forever()
