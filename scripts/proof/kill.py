#!/usr/bin/env python3
"""kill -9 in the middle of a burst: nothing is lost, repeats bear the same id, buyers stay unmailed.

2,000 carts fall due at one instant; some are bought before it. The service is killed while it sends, twice, and started
again. Usage: kill.py [embedded] [redis]
"""

import json
import sys
import time

import lab

CARTS, BOUGHT_EVERY, IDLE_S, DELAY_S = 2_000, 10, 2, 6
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


def run(store):
    receiver = lab.Receiver(delay_s=0.004)
    service = lab.Service(store, receiver, PROGRAM, "")
    clients = [service.client() for _ in range(8)]
    now = time.time()
    lab.in_parallel(lambda w, n: expect(clients[w]("PUT", f"/v1/carts/c-{n}", lab.cart(n, now)), 201), range(CARTS))
    bought = set()

    def buy(worker, n):
        order = {"order_id": f"o-{n}", "shopper": {"email": f"shopper-{n}@example.com"}, "status": "paid",
                 "currency": "EUR", "total_minor": 12490, "placed_at": lab.rfc3339(time.time())}
        expect(clients[worker]("POST", "/v1/orders", order), 200)
        bought.add(f"c-{n}")

    lab.in_parallel(buy, range(0, CARTS, BOUGHT_EVERY))
    print(f"{store}: {CARTS} carts, {len(bought)} bought, all due at one instant")
    kills = []
    for threshold in (300, 900):
        lab.wait_for("the burst", lambda: receiver.count() >= threshold, 60)
        service.kill()
        kills.append(receiver.count())
        time.sleep(0.3)
        service.start()
    due = CARTS - len(bought)
    started = time.monotonic()
    lab.wait_for("every reminder", lambda: len({s[1] for s in receiver.snapshot()}) >= due, 90)
    waited = time.monotonic() - started
    time.sleep(1.0)
    seen = receiver.snapshot()
    ids, carts = {}, {}
    for _, webhook_id, _, _, body in seen:
        cart = json.loads(body)["data"]["cart_id"]
        ids.setdefault(webhook_id, []).append(cart)
        carts.setdefault(cart, set()).add(webhook_id)
    repeats = len(seen) - len(ids)
    print(f"{store}: killed after {kills[0]} and {kills[1]} arrivals; all there {waited:.1f} s after the last restart; "
          f"{len(seen)} arrivals, {len(ids)} ids, {repeats} repeats")
    lab.check(f"{store}: every one of {due} due reminders arrived", len(carts) == due)
    lab.check(f"{store}: a repeat bears the id of the first", all(len(own) == 1 for own in carts.values()))
    lab.check(f"{store}: none of {len(bought)} buyers was reminded", not bought & carts.keys())
    service.stop()


def expect(answer, status):
    if answer[0] != status:
        raise SystemExit(f"expected {status}, got {answer[0]}: {answer[1][:300]}")


lab.ensure_binary()
for name in sys.argv[1:] or lab.STORES:
    run(name)
