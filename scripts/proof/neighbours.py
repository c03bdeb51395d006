#!/usr/bin/env python3
"""A healthy endpoint at 200 events a second, alone and beside one that behaves badly: its lag stays what it was.

The lag is from the moment a step is due to the arrival at the healthy receiver. The bad one gets the same events.
Usage: neighbours.py [embedded] [redis] [KIND...]     kinds: hang slow flap 500 429 tls, and back: does a first attempt
wait behind repeats once an endpoint is back?
"""

import json
import multiprocessing
import socket
import sys
import threading
import time

import lab

RATE, SECONDS, IDLE_S, DELAY_S, BAD_S = 200, 8, 2, 1, 5.0
KINDS = ("hang", "slow", "flap", "500", "429", "tls")
# Of a lag of a few milliseconds, twice as much is not told apart from a busy machine.
NOISE_S = 0.025
PROGRAM = f"""
[shop.program]
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
steps = [{{ name = "first", delay = "{DELAY_S}s", channel = "email" }}]
[shop.program.idle]
shipping = "{IDLE_S}s"
"""
HEAD = b"HTTP/1.1 %s\r\n%scontent-length: 0\r\n\r\n"
OK, BROKEN = HEAD % (b"200 OK", b""), HEAD % (b"500 Broken", b"")
BUSY = HEAD % (b"429 Too Many Requests", b"retry-after: 1\r\n")


class Bad:
    """Takes every connection, and answers as its kind says. `firsts` are arrivals of first attempts, `again` of others."""

    def __init__(self, kind):
        self.kind, self.began, self.count = kind, time.monotonic(), 0
        self.lock, self.ids, self.arrived = threading.Lock(), {}, []
        self.is_back = kind != "back"
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        scheme = "https" if kind == "tls" else "http"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/hook"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        try:
            link.settimeout(30)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    data = link.recv(65_536)
                    if not data:
                        return
                    if self.kind == "tls":
                        link.sendall(b"this is no TLS\r\n")
                        return
                    pending += data
                head, pending = pending.split(b"\r\n\r\n", 1)
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                length = int(headers[b"content-length"])
                while len(pending) < length:
                    pending += link.recv(65_536)
                body, pending = pending[:length], pending[length:]
                self._answer(link, headers[b"webhook-id"], body)
        except (OSError, ValueError, KeyError):
            pass
        finally:
            link.close()

    def _answer(self, link, webhook_id, body):
        with self.lock:
            self.count += 1
            nth = self.ids[webhook_id] = self.ids.get(webhook_id, 0) + 1
            self.arrived.append((time.time(), nth, json.loads(body)["data"]["cart_id"], self.is_back))
        if self.kind == "hang":
            time.sleep(BAD_S)
            raise OSError("no answer at all")
        if self.kind == "slow":
            time.sleep(BAD_S)
        is_down = self.kind == "flap" and int(time.monotonic() - self.began) % 2 == 0
        if self.kind == "500" or is_down or not self.is_back:
            link.sendall(BROKEN)
        else:
            link.sendall(BUSY if self.kind == "429" else OK)


def serve(kind, pipe):
    bad = Bad(kind)
    pipe.send(bad.url)
    while True:
        match pipe.recv():
            case "back":
                bad.is_back = True
                pipe.send(None)
            case "count":
                pipe.send((bad.count, len(bad.ids)))
            case "arrived":
                with bad.lock:
                    pipe.send(bad.arrived)


class Apart:
    """A bad endpoint in a process of its own, so that its work takes nothing from the thread that notes arrivals."""

    def __init__(self, kind):
        self.lock = threading.Lock()
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(kind, theirs), daemon=True)
        self.process.start()
        self.url = self.pipe.recv()

    def ask(self, what):
        with self.lock:
            self.pipe.send(what)
            return self.pipe.recv()

    def end(self):
        """What came, once it is over."""
        (self.count, _), self.arrived = self.ask("count"), self.ask("arrived")
        self.process.kill()
        self.process.join()


def run(store, kind):
    """Lags of the healthy one, sorted; and what the bad one got."""
    bad = Apart(kind) if kind else None
    receiver = lab.Receiver()
    more = "" if bad is None else f"""
[[shop.endpoint]]
name = "bad"
url = "{bad.url}"
secrets = ["{lab.SECRET}"]
events = ["cart.reminder"]
allow_networks = ["127.0.0.0/8"]
"""
    service = lab.Service(store, receiver, PROGRAM, more=more)
    try:
        clients, due = [service.client() for _ in range(4)], {}
        start = time.time() + 0.2

        def put(worker, n):
            at = int((start + n / RATE) * 1000) / 1000
            time.sleep(max(0.0, at - time.time()))
            status, text, _ = clients[worker]("PUT", f"/v1/carts/c-{n}", lab.cart(n, at))
            assert status == 201, f"{status}: {text[:200]}"
            due[f"c-{n}"] = at + IDLE_S + DELAY_S

        count = RATE * SECONDS
        if kind == "back":
            # Down for the first half of what is due, then well.
            back = threading.Timer(start + IDLE_S + DELAY_S + SECONDS / 2 - time.time(), lambda: bad.ask("back"))
            back.start()
        lab.in_parallel(put, range(count), threads=4)
        lab.wait_for("every reminder at the healthy one", lambda: receiver.count() >= count, 60)
        if kind == "back":
            lab.wait_for("every reminder at the other", lambda: bad.ask("count")[1] >= count, 60)
        late = sorted(at / 1e6 - due[json.loads(body)["data"]["cart_id"]] for at, _, _, _, body in receiver.snapshot())
        return late, bad, due, service.rss_mb()
    finally:
        service.stop()
        if bad is not None:
            bad.end()


def share(late, of):
    return late[min(len(late) - 1, int(len(late) * of))] * 1000


def tell(store, what, late, bad, rss):
    came = "" if bad is None else f"; the bad one got {bad.count} requests"
    print(f"{store}: {what:<13} p50 {share(late, 0.5):6.1f} ms, p99 {share(late, 0.99):6.1f} ms, max {share(late, 1):6.1f} ms, "
          f"{rss:.0f} MB{came}", flush=True)
    return share(late, 0.99)


def beside(store, kinds):
    late, _, _, rss = run(store, None)
    alone, wrong = tell(store, "alone", late, None, rss), []
    for kind in kinds:
        late, bad, _, rss = run(store, kind)
        p99 = tell(store, f"beside {kind}", late, bad, rss)
        if p99 > max(2 * alone, alone + NOISE_S * 1000):
            wrong.append(f"{kind}: {p99:.1f} ms")
    lab.check(f"{store}: p99 stays within twice that alone ({alone:.1f} ms), or {NOISE_S * 1000:.0f} ms more: {wrong or 'each'}", not wrong)


def back(store):
    """An endpoint fails for a while and is back: what is due then for the first time does not wait for all that failed."""
    _, bad, due, _ = run(store, "back")
    at_back = min(at for at, _, _, is_back in bad.arrived if is_back)
    fresh = [(at, at - due[cart]) for at, nth, cart, is_back in bad.arrived if is_back and nth == 1 and due[cart] >= at_back]
    waited = sorted(lag for _, lag in fresh)
    repeats = [at for at, nth, _, is_back in bad.arrived if is_back and nth > 1]
    print(f"{store}: back after an outage: {len(fresh)} that fell due later: p50 {share(waited, 0.5):.0f} ms, p99 {share(waited, 0.99):.0f} ms; "
          f"{len(repeats)} repeats, the last {max(repeats, default=at_back) - at_back:.1f} s after it was back")
    lab.check(f"{store}: first attempts are not starved by repeats", share(waited, 0.99) < 2_000)


if __name__ == "__main__":
    lab.ensure_binary()
    words = sys.argv[1:]
    kinds = [word for word in words if word in KINDS or word == "back"] or [*KINDS, "back"]
    for name in [word for word in words if word in lab.STORES] or lab.STORES:
        if [kind for kind in kinds if kind != "back"]:
            beside(name, [kind for kind in kinds if kind != "back"])
        if "back" in kinds:
            back(name)
