"""The ledger of a run: what was acknowledged against what arrived, by an observer who asks the service nothing.

What is due follows from the acknowledgements alone: a cart nobody ordered is due once; one whose order was answered
before the reminder's moment never; in between either is right, but nothing may start after the answer.
"""

import time

LATE_MARGIN_S = 0.005


class Ledger:
    """Rows of (name, value); `wrong` lists the sentences that do not hold."""

    def __init__(self, name):
        self.name, self.rows, self.wrong = name, [], []

    def add(self, what, value):
        self.rows.append((what, value))

    def check(self, sentence, holds):
        if not holds:
            self.wrong.append(sentence)

    def tell(self, sentence, holds):
        """What an asynchronous replica may have cost: a row, and no verdict."""
        if not holds:
            self.rows.append(("lost with the primary", sentence))

    def print(self):
        print(f"\n{self.name}: {'FAIL' if self.wrong else 'ok'}", flush=True)
        for what, value in self.rows:
            print(f"      {what:<44} {value}")
        for sentence in self.wrong:
            print(f"FAIL  {sentence}", flush=True)


def due_of(shop):
    """(must be reminded, may be, must not be), by what was acknowledged."""
    must, may, never = set(), set(), set()
    for cart in shop.acked:
        order = shop.buyer_of(cart)
        if order is None or order not in shop.asked:
            must.add(cart)
        elif order in shop.ordered and shop.ordered[order] < shop.due[cart] - LATE_MARGIN_S:
            never.add(cart)
        else:
            may.add(cart)
    return must, may, never


def starts(seen, heads):
    """When each arrival left its sender: by the proxy that it passed, where there was one."""
    nth, found = {}, []
    for at, webhook_id, _, _ in sorted(seen):
        n = nth[webhook_id] = nth.get(webhook_id, -1) + 1
        passed = heads.get(webhook_id, [])
        found.append(passed[n] if n < len(passed) else at)
    seen.sort()
    return found


def untold_arrivals(shop, seen):
    """First arrivals of a reminder after an order that did not say that one may still arrive."""
    arrived, untold = set(), []
    for at, webhook_id, cart, how in sorted(seen):
        order = shop.buyer_of(cart)
        if webhook_id not in arrived and at > shop.ordered.get(order, at) and shop.flights[order] != "possible":
            untold.append((cart, shop.flights[order]))
        if how == "ok":
            arrived.add(webhook_id)
    return untold


def wait_until_quiet(shop, receiver, stage, seconds):
    """Until everything due has arrived and the counts are complete; how long that took, or None."""
    began = time.monotonic()
    must, may, _ = due_of(shop)
    while time.monotonic() < began + seconds:
        arrived = {cart for _, _, cart, how in receiver.snapshot() if how == "ok"}
        if must <= arrived:
            counts = stage.tallies()
            ended = sum(counts.get(f"reminders/first/{how}", 0) for how in ("delivered", "dead", "suppressed"))
            if ended >= counts.get("reminders/first/decided", 0) >= len(must):
                return time.monotonic() - began
        time.sleep(0.25)
    return None


def close(name, shop, receiver, stage, seconds=60, repeats_max=None, heads=None, may_lose=False):
    """Waits for quiet, and writes and checks the ledger of one run. `may_lose`: the store may have lost what it had
    acknowledged, so what follows from that is told and not judged."""
    ledger = Ledger(name)
    quiet = wait_until_quiet(shop, receiver, stage, seconds)
    time.sleep(0.5)
    must, may, never = due_of(shop)
    seen, counts = receiver.snapshot(), stage.tallies()
    good = [hit for hit in seen if hit[3] == "ok"]
    ids, carts = {}, {}
    for _, webhook_id, cart, _ in seen:
        ids.setdefault(webhook_id, set()).add(cart)
        carts.setdefault(cart, set()).add(webhook_id)
    delivered = {hit[2] for hit in good}
    lost = must - delivered
    started = starts(seen, heads or {})
    after = [(cart, round((at - shop.ordered[order]) * 1000, 1), shop.flights[order]) for at, (_, _, cart, _) in zip(started, seen)
             if (order := shop.buyer_of(cart)) in shop.ordered and at > shop.ordered[order]]
    wrong_ids = sum(len(own) != 1 for own in (*ids.values(), *carts.values()))
    first = {}
    for at, _, cart, _ in good:
        first.setdefault(cart, at)
    late = sorted(first[c] - max(shop.due[c], shop.acked.get(c, 0.0)) for c in first if c in shop.due)
    repeats = len(good) - len({hit[1] for hit in good})
    decided, stored = counts.get("reminders/first/decided", 0), counts.get("reminders/first/delivered", 0)
    suppressed = {key.split("/", 1)[1]: n for key, n in counts.items() if key.startswith("reminders_suppressed/")}
    flights = list(shop.flights.values())
    ledger.add("acknowledged: carts, orders", f"{len(shop.acked)}, {len(shop.ordered)}")
    ledger.add("never acknowledged (client gave up)", len(shop.unacked))
    ledger.add("what clients met on the way", shop.errors or "nothing")
    ledger.add("due: must, either, must not", f"{len(must)}, {len(may)}, {len(never)}")
    ledger.add("delivered: distinct ids, requests", f"{len({h[1] for h in good})}, {len(seen)}")
    ledger.add("repeated after a good answer (same id)", repeats)
    ledger.add("counts: decided, delivered, dead", f"{decided}, {stored}, {counts.get('reminders/first/dead', 0)}")
    ledger.add("suppressed, by why", suppressed or 0)
    ledger.add("orders that met a send: waited, possible", f"{flights.count('finished')}, {flights.count('possible')}")
    ledger.add("started after the order's answer", len(after))
    if heads is not None:
        arrived_after = sum(at > shop.ordered.get(shop.buyer_of(cart), at) for at, _, cart, _ in seen)
        ledger.add("started before it, held up by the network", arrived_after - len(after))
        untold = untold_arrivals(shop, seen)
        ledger.check(f"what arrives after an order was delivered before, or told as possible (cart, said): {untold[:5]}", not untold)
    ledger.add("lost", len(lost))
    ledger.add("wrong ids", wrong_ids)
    ledger.add("quiet after the last acknowledgement", f"{quiet:.1f} s" if quiet is not None else f"not within {seconds} s")
    if late:
        ledger.add("late: p50, p99, max", ", ".join(f"{late[min(len(late) - 1, int(len(late) * s))]:.2f} s" for s in (0.5, 0.99, 1)))
    judge = ledger.tell if may_lose else ledger.check
    judge(f"every one of {len(must)} due reminders arrived: {sorted(lost)[:5]} did not", not lost)
    ledger.check(f"no reminder of {len(never)} early buyers: {sorted(never & carts.keys())[:5]}", not never & carts.keys())
    surprising = [hit for hit in after if hit[2] != "possible"]
    judge(f"nothing starts after an order's answer (cart, ms, said): {surprising[:5]}", not surprising)
    ledger.check("every id belongs to one cart and every cart has one id", wrong_ids == 0)
    judge("all is quiet in time", quiet is not None)
    ledger.check("none was sent that was not asked for", carts.keys() <= must | may | never | {c for c in shop.unacked})
    # A purchase told late counts the reminder it finds undecided as suppressed at once: "decided" does not rise then.
    ended, returned = stored + counts.get("reminders/first/dead", 0) + sum(suppressed.values()), suppressed.get("shopper_returned", 0)
    judge(f"every decided reminder has ended: {decided} decided, {ended} ended, {returned} never decided",
                 decided <= ended <= decided + returned)
    judge(f"{len(must)} must, {len(may)} may: {decided} were decided", len(must) <= decided <= len(must | may) + len(shop.unacked))
    # Its answer was never recorded (the process or the store died), and then a purchase ended it.
    unrecorded = len(delivered) - stored
    ledger.add("delivered, but bought before it was recorded", unrecorded)
    judge(f"the count of delivered is the observer's: {stored} and {len(delivered)}",
                 0 <= unrecorded <= sum(suppressed.values()))
    ledger.check("only a purchase suppressed, and only where one was", sum(suppressed.values()) <= len(may) and
                 not suppressed.keys() - {"purchased", "payment_pending", "shopper_returned"})
    if repeats_max is not None:
        ledger.check(f"at most {repeats_max} repeats: {repeats}", repeats <= repeats_max)
    return ledger
