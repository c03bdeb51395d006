"""A receiver by script: each attempt of a delivery may be answered well, badly, late or never.

It stamps the first byte of every request with the monotonic clock that also stamps the clients' acknowledgements.
Never here: what is right; that is the ledger's.
"""

import json
import socket
import struct
import threading
import time

RST = struct.pack("ii", 1, 0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
PLAIN = {
    "500": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 6\r\ncontent-length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 6\r\ncontent-length: 0\r\n\r\n",
    "410": b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
    "garbage": b"\x00\xffnot http at all\r\n\r\n",
}


class Receiver:
    """`answer(cart, nth attempt)` names the behaviour; `delay_s` is how long a good answer takes."""

    def __init__(self, answer=None, delay_s=0.0):
        self.answer, self.delay_s = answer or (lambda cart, nth: "ok"), delay_s
        self.seen, self.tries, self.lock = [], {}, threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def count(self):
        with self.lock:
            return len(self.seen)

    def snapshot(self):
        with self.lock:
            return list(self.seen)

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(120)
        try:
            while self._one(link):
                pass
        except (OSError, ValueError):
            pass
        finally:
            link.close()

    def _one(self, link):
        data = link.recv(65_536)
        started = time.monotonic()
        while data and b"\r\n\r\n" not in data:
            data += self._more(link)
        if not data:
            return False
        head, _, body = data.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value for name, value in headers.items()}
        while len(body) < int(headers["content-length"]):
            body += self._more(link)
        cart, webhook_id = json.loads(body)["data"]["cart_id"], headers["webhook-id"]
        with self.lock:
            nth = self.tries[webhook_id] = self.tries.get(webhook_id, 0) + 1
            how = self.answer(cart, nth)
            self.seen.append((started, webhook_id, cart, how))
        return self._behave(link, how)

    @staticmethod
    def _more(link):
        data = link.recv(65_536)
        if not data:
            raise ValueError("the request broke off")
        return data

    def _behave(self, link, how):
        if how in PLAIN:
            link.sendall(PLAIN[how])
            return how != "garbage"
        if how == "cut":
            link.sendall(OK[:9])
        elif how == "hang":
            link.settimeout(30)
            link.recv(1)
            return False
        elif how == "huge":
            link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n")
            for _ in range(200):
                link.sendall(b"x" * 1_000_000)
            return False
        elif how == "drip":
            link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(60):
                link.sendall(b"x")
                time.sleep(0.2)
            return False
        elif how == "drip-head":
            for n in range(len(OK)):
                link.sendall(OK[n:n + 1])
                time.sleep(0.5)
            return False
        elif how == "ok":
            if self.delay_s:
                time.sleep(self.delay_s)
            link.sendall(OK)
            return True
        # cut, reset: the request was taken, the answer is not given.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        return False
