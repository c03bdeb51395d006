"""A TCP proxy that fails on demand: put before a store or a receiver, switched while connections are open.

Modes: pass, refuse, reset, hole (bytes are held and arrive late, as after lost packets), slow (latency and jitter),
throttle (bytes a second), cut (reset after some bytes of the answer). Loopback only; standard library only.
"""

import random
import re
import select
import socket
import struct
import threading
import time

CHUNK = 65_536
HEAD = re.compile(rb"webhook-id: (\S+)")
RST = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards to `target` (host, port). `seen` counts what was done to connections."""

    def __init__(self, target_port, seed=1):
        self.target, self.dice = ("127.0.0.1", target_port), random.Random(seed)
        self.mode, self.direction, self.amount = "pass", "both", 0.0
        self.pairs, self.lock, self.closed = set(), threading.Lock(), False
        # When each request's head came here, by its webhook-id: what waits here had left its sender.
        self.heads = {}
        self.seen = {"connections": 0, "resets": 0, "cuts": 0}
        # Words in the first bytes of a connection that tell who is cut off, and the connections of those.
        self.outsiders, self.kinds = (), {}
        self.listener = self._listen(0)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _listen(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        return listener

    def set(self, mode, amount=0.0, direction="both"):
        """`amount`: seconds of latency, bytes a second, or bytes of answer before the cut. `direction`: both, to, from."""
        self.mode, self.amount, self.direction = mode, amount, direction
        if mode == "refuse" and self.listener is not None:
            listener, self.listener = self.listener, None
            # Closing alone leaves the accepting thread's socket listening.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if mode != "refuse" and self.listener is None:
            self.listener = self._listen(self.port)
        if mode in ("refuse", "reset"):
            self.break_all()

    def cut_off(self, *words):
        """From now on nothing passes for whoever once said one of these words; with none, everything passes again."""
        self.outsiders = words

    def break_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            self._reset(pair)

    def close(self):
        self.closed = True
        self.set("refuse")

    def _accept(self):
        while not self.closed:
            listener = self.listener
            if listener is None:
                time.sleep(0.01)
                continue
            try:
                near, _ = listener.accept()
            except OSError:
                continue
            self.seen["connections"] += 1
            if self.mode in ("reset", "refuse"):
                self._reset((near,))
                continue
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        try:
            far = socket.create_connection(self.target, 2)
        except OSError:
            self._reset((near,))
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (near, far)
        with self.lock:
            self.pairs.add(pair)
        threading.Thread(target=self._pump, args=(near, far, pair, "to"), daemon=True).start()
        self._pump(far, near, pair, "from")

    def _pump(self, source, sink, pair, way):
        passed = 0
        try:
            while not self.closed:
                # A bound on waiting, so that a dead pair is noticed.
                if not select.select([source], [], [], 1.0)[0]:
                    continue
                data = source.recv(CHUNK)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                said = self.kinds.setdefault(pair, b"")
                if way == "to" and len(said) < 2_000:
                    self.kinds[pair] = said + data.lower()[:2_000]
                for webhook_id in HEAD.findall(data) if way == "to" else ():
                    self.heads.setdefault(webhook_id.decode(), []).append(time.monotonic())
                self._hold(way, len(data), pair)
                if self.mode == "cut" and way == "from":
                    passed += len(data)
                    if passed >= self.amount:
                        keep = max(0, len(data) - int(passed - self.amount))
                        sink.sendall(data[:keep])
                        self.seen["cuts"] += 1
                        self._reset(pair)
                        return
                else:
                    passed = 0
                sink.sendall(data)
        except (OSError, ValueError):
            self._reset(pair)

    def _is_outside(self, pair):
        said = self.kinds.get(pair, b"")
        return any(word in said for word in self.outsiders)

    def _hold(self, way, size, pair):
        while (self._applies("hole", way) or self._is_outside(pair)) and not self.closed:
            time.sleep(0.01)
        if self._applies("slow", way):
            time.sleep(self.amount * self.dice.uniform(0.5, 1.5))
        elif self._applies("throttle", way):
            time.sleep(size / self.amount)

    def _applies(self, mode, way):
        return self.mode == mode and self.direction in ("both", way)

    def _reset(self, pair):
        self.seen["resets"] += 1
        with self.lock:
            self.pairs.discard(pair)
        for end in pair:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
                # A thread of ours waits in select: the shutdown wakes it, the close sends the reset.
                end.close()
            except OSError:
                pass
