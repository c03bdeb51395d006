"""A shop that never gives up: it puts carts and places orders at planned moments, and repeats each until it is acknowledged.

A repeat bears the same Idempotency-Key and the same body, on the next replica. Acknowledgements are stamped with the
monotonic clock when the head of the answer is there.
"""

import http.client
import json
import random
import socket
import threading
import time

import stage

lab = stage.lab
GIVE_UP_S = 90


class Shop:
    """`carts` at `rate` a second; every `order_every`-th person buys, within `spread_s` of the moment the reminder is due."""

    def __init__(self, ports, carts, rate, seed, order_every=4, spread_s=0.25, workers=12):
        self.ports, self.rate, self.dice = ports, rate, random.Random(seed)
        self.acked, self.ordered, self.asked, self.flights = {}, {}, {}, {}
        self.due, self.errors, self.lock, self.unacked = {}, {}, threading.Lock(), []
        self.carts, self.order_every, self.spread_s, self.workers = carts, order_every, spread_s, workers
        self.began = self.offset = 0.0
        self.threads = []

    def open(self):
        """Begins at once, in threads of its own."""
        self.began = time.monotonic() + 0.3
        self.offset = time.time() - time.monotonic()
        self._plan()
        for jobs, count in ((self.puts, self.workers), (self.orders, self.workers)):
            jobs.sort(key=lambda job: job[0])
            queue = iter(jobs)
            for n in range(count):
                thread = threading.Thread(target=self._work, args=(queue, n), daemon=True)
                thread.start()
                self.threads.append(thread)
        return self

    def close(self, seconds=GIVE_UP_S + 60):
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, end - time.monotonic()))

    def is_buyer(self, n):
        return self.order_every > 0 and n % self.order_every == 0

    def _plan(self):
        self.puts, self.orders = [], []
        for n in range(self.carts):
            at = self.began + n / self.rate
            names = [f"c-{n}"]
            # A third of the buyers order under another cart of theirs.
            if self.is_buyer(n) and (n // self.order_every) % 3 == 1:
                names.append(f"x-{n}")
            for name in names:
                self.puts.append((at, "PUT", f"/v1/carts/{name}", name, lab.cart(n, at + self.offset)))
                self.due[name] = at + stage.IDLE_S + stage.DELAY_S
            if self.is_buyer(n):
                when = self.due[f"c-{n}"] + self.dice.uniform(-self.spread_s, self.spread_s)
                self.orders.append((when, "POST", "/v1/orders", f"o-{n}", self._order(n, when)))

    def _order(self, n, when):
        body = {"order_id": f"o-{n}", "status": "paid", "currency": "EUR", "total_minor": 12490,
                "placed_at": lab.rfc3339(when + self.offset)}
        kind = (n // self.order_every) % 3
        if kind == 0:
            return {**body, "cart_id": f"c-{n}"}
        if kind == 1:
            return {**body, "cart_id": f"x-{n}"}
        return {**body, "shopper": {"email": f"shopper-{n}@example.com"}}

    def buyer_of(self, cart):
        n = int(cart[2:])
        return f"o-{n}" if self.is_buyer(n) else None

    def _work(self, queue, number):
        link, turn = None, number
        while True:
            with self.lock:
                job = next(queue, None)
            if job is None:
                return
            at, method, path, name, body = job
            time.sleep(max(0.0, at - time.monotonic()))
            end = time.monotonic() + GIVE_UP_S
            # Nobody buys what was not yet told: an order that names a cart we know nothing of can stop no other cart.
            while method == "POST" and not self._told(name) and time.monotonic() < end:
                time.sleep(0.005)
            while True:
                try:
                    link = link or self._connect(turn)
                    with self.lock:
                        self.asked.setdefault(name, time.monotonic())
                    status, stamp, text = self._ask(link, method, path, body, f"key-{name}")
                    if status < 300:
                        break
                    self._note(str(status))
                    if status not in (429, 500, 503):
                        self._note(f"{status}: {text[:200]}")
                        end = 0.0
                except (OSError, http.client.HTTPException) as error:
                    self._note(type(error).__name__)
                    link, turn = None, turn + 1
                if time.monotonic() > end:
                    status = None
                    break
                time.sleep(0.1)
                if link and status == 503:
                    link.close()
                    link, turn = None, turn + 1
            if status is None:
                self.unacked.append(name)
                continue
            if method == "POST":
                self.flights[name] = json.loads(text)["reminder_in_flight"]
                self.ordered[name] = stamp
            else:
                self.acked[name] = stamp

    def _told(self, order):
        n = order[2:]
        return all(cart in self.acked or cart in self.unacked for cart in (f"c-{n}", f"x-{n}") if cart in self.due)

    def _note(self, what):
        with self.lock:
            self.errors[what] = self.errors.get(what, 0) + 1

    def _connect(self, turn):
        link = http.client.HTTPConnection("127.0.0.1", self.ports[turn % len(self.ports)], timeout=8)
        link.connect()
        link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    @staticmethod
    def _ask(link, method, path, body, key):
        head = {"authorization": f"Bearer {lab.SERVER_KEY}", "content-type": "application/json",
                "idempotency-key": key}
        link.request(method, path, json.dumps(body).encode(), head)
        answer = link.getresponse()
        stamp = time.monotonic()
        return answer.status, stamp, answer.read().decode()
