#!/usr/bin/env python3
"""Purchases at the very moment a reminder is due: none arrives after its order was answered 2xx.

Each cart is bought, by address only, within 20 ms of its reminder's moment. One process stamps answers and arrivals.
Usage: race.py [embedded] [redis]
"""

import json
import random
import sys
import time

import lab

CARTS, IDLE_S, DELAY_S, SPREAD_S, WINDOW_S = 2_000, 2, 6, 0.02, 12
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
    receiver, dice = lab.Receiver(), random.Random(7)
    service = lab.Service(store, receiver, PROGRAM, "")
    clients, answered, waited = [service.client() for _ in range(8)], {}, {}
    start = time.time()
    due = {n: start + n * WINDOW_S / CARTS + IDLE_S + DELAY_S for n in range(CARTS)}

    def put(worker, n):
        at = due[n] - IDLE_S - DELAY_S
        time.sleep(max(0.0, at - time.time()))
        assert clients[worker]("PUT", f"/v1/carts/c-{n}", lab.cart(n, at))[0] == 201

    def buy(worker, n):
        time.sleep(max(0.0, due[n] + dice.uniform(-SPREAD_S, SPREAD_S) - time.time()))
        order = {"order_id": f"o-{n}", "shopper": {"email": f"shopper-{n}@example.com"}, "status": "paid",
                 "currency": "EUR", "total_minor": 12490, "placed_at": lab.rfc3339(time.time())}
        status, text, _ = buyers[worker]("POST", "/v1/orders", order)
        assert status == 200, text
        answered[f"c-{n}"] = time.time_ns() // 1000
        waited[f"c-{n}"] = json.loads(text)["reminder_in_flight"]

    buyers = [service.client() for _ in range(16)]
    filler = lab.threading.Thread(target=lab.in_parallel, args=(put, range(CARTS), 8))
    filler.start()
    lab.in_parallel(buy, range(CARTS), 16)
    filler.join()
    time.sleep(2.0)
    late = []
    for arrived, _, _, _, body in receiver.snapshot():
        cart = json.loads(body)["data"]["cart_id"]
        if arrived > answered[cart]:
            late.append((cart, arrived - answered[cart]))
    flights = list(waited.values())
    print(f"{store}: {CARTS} purchases within {SPREAD_S * 1000:.0f} ms of the reminder's moment; {receiver.count()} reminders went out "
          f"before their purchase, {flights.count('finished')} orders waited for one in flight")
    lab.check(f"{store}: {len(answered)} orders answered, {len(late)} reminders after the answer {late[:3]}",
              len(answered) == CARTS and not late and "possible" not in flights)
    service.stop()


lab.ensure_binary()
for name in sys.argv[1:] or lab.STORES:
    run(name)
