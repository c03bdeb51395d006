#!/usr/bin/env python3
"""Counts recorded shopping sessions by the product's written rules, straight from the raw files.

    count_sessions.py ecom|snowplow SRC_DIR

This is the second opinion on what the service counts after a replay. It shares no code with the service nor with
convert_sessions.py, and works session by session on plain seconds instead of event by event on a clock.

The rules, as docs/ARCHITECTURE.md and the default configuration state them:
- a session's cart exists from its first cart, checkout or order event; other events before that are nobody's;
- a stage is entered once for each cart; the cart is in the stage that the newest cart event says, also backwards;
- every event of the session after its cart exists is activity. A cart that has lines is abandoned when the window of
  its stage (cart 60 min, contact 30, shipping 30, payment 20) passes without activity; an event at the very end of
  the window is in time. Later activity resumes the cart, and the next silence is another abandonment;
- each failed payment on an open cart is counted;
- a paid order closes the cart: returned when it follows the last abandonment by at most 7 days (nobody is reminded), else organic. An
  order that comes first makes a closed cart. Nothing re-opens a closed cart;
- the reason of an abandonment comes from the signals since the cart was made or last resumed: a failed payment gives
  payment_error; else an error at most 60 s before the last activity gives technical_error; these are hard. Else a look
  at the comparison page gives price_comparison; else 15 minutes of work at one step of the checkout, by the clock since
  the step was entered or the cart resumed, give checkout_too_long; else a cart that was never at checkout and never
  resumed gives just_browsing; these are soft. Else it is unknown;
- an abandoned cart that ends is counted once by its last reason: recovered or organic when it is bought, expired 30 days
  after its last activity (6 hours when it has no lines), as far as the clock, a week past the last event, gets;
- the first failed payment and the first error between two resumptions of an open cart each count as an error met.

- for the funnel a cart belongs to the day of its first event. It reached the stages up to the furthest it was in, and all
  of them when it was bought. At the end it is bought, abandoned (idle since), or ended (emptied). The time of a stage is
  from the moment it became the furthest to a further one or the order.

Prints JSON whose `tallies` have the names of the service's own, and in `report` what its reports must say.
"""

import collections
import csv
import datetime
import gzip
import io
import json
import os
import sys

WINDOW = {"cart": 60 * 60, "contact": 30 * 60, "shipping": 30 * 60, "payment": 20 * 60}
ATTRIBUTION = 7 * 24 * 3600
ERROR_WINDOW = 60
RETENTION, RETENTION_EMPTY = 30 * 24 * 3600, 6 * 3600
AFTER_THE_END = 7 * 24 * 3600
STEP_TIME = 15 * 60
SOURCE = collections.defaultdict(lambda: "inferred_soft", {
    "payment_error": "inferred_hard", "technical_error": "inferred_hard", "unknown": "none"})
STAGES = ("browse", "cart", "contact", "shipping", "payment")
INCIDENTS = {"payment_error": ("2024-05-19", "2024-06-08"), "technical_error": ("2024-04-09", "2024-05-09")}


def table(*path):
    name = os.path.join(*path)
    with open(name, "rb") as file:
        data = file.read()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    return list(csv.DictReader(io.StringIO(data.decode())))


def seconds(text):
    text = text.strip().removesuffix(" UTC").removesuffix("+00:00")
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp()


def day(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%d")


def walk(events, end):
    """The story of one cart, told at `end`. `events`: (at, kind, detail) in order; kind: stage, order, failed, error, compared, other."""
    story = {"stages": [], "abandonments": [], "resumed": 0, "converted": None, "exact": 0, "failures": 0, "ended": None, "met": [],
             "begun": None, "ordered": None, "progress": [], "standing": None}
    stage = last = None
    lines, failed, errors, compared = 0, [], [], []
    entered = None
    left_at = left_last = None

    def silence(until):
        """Notes an abandonment when the cart's window ended before `until`."""
        nonlocal left_at, left_last
        if left_at is not None or not lines:
            return
        end = last + WINDOW[stage]
        story["exact"] += until == end
        if end < until:
            if failed:
                why = "payment_error"
            elif errors and last - errors[-1] <= ERROR_WINDOW:
                why = "technical_error"
            elif compared:
                why = "price_comparison"
            elif stage != "cart" and last - entered >= STEP_TIME:
                why = "checkout_too_long"
            elif set(story["stages"]) <= {"cart"} and not story["resumed"]:
                why = "just_browsing"
            else:
                why = "unknown"
            story["abandonments"].append((stage, why, end))
            left_at = left_last = end

    for at, kind, detail in events:
        if last is None and kind not in ("stage", "order"):
            continue
        if stage is not None:
            silence(at)
        if story["begun"] is None:
            story["begun"] = at
        if kind == "order":
            story["ordered"], story["standing"] = at, "bought"
            recovered = left_last is not None and left_last <= at <= left_last + ATTRIBUTION
            story["converted"] = "returned" if recovered else "organic"
            if story["abandonments"]:
                story["ended"] = (story["abandonments"][-1][1], "recovered" if recovered else "organic")
            return story
        if left_at is not None:
            story["resumed"] += 1
            left_at, failed, errors, compared = None, [], [], []
            entered = at
        if kind == "stage":
            if detail[0] != stage:
                entered = at
            stage, lines = detail
            if stage not in story["stages"]:
                story["stages"].append(stage)
            if not story["progress"] or STAGES.index(stage) > STAGES.index(story["progress"][-1][0]):
                story["progress"].append((stage, at))
        elif kind == "failed":
            if not failed:
                story["met"].append((stage, "payment_error"))
            failed.append(at)
            story["failures"] += 1
        elif kind == "error":
            if not errors:
                story["met"].append((stage, "technical_error"))
            errors.append(at)
        elif kind == "compared":
            compared.append(at)
        last = at
    if last is None:
        return None
    silence(float("inf"))
    if story["abandonments"] and last + (RETENTION if lines else RETENTION_EMPTY) <= end:
        story["ended"] = (story["abandonments"][-1][1], "expired")
    story["standing"] = "abandoned" if left_at is not None else "ended"
    return story


def ecom_sessions(source):
    meaning = {"add_to_cart": ("stage", ("cart", 1)), "cart": ("stage", ("cart", 1)),
               "shipping_details": ("stage", ("shipping", 1)), "payment_details": ("stage", ("payment", 1)),
               "purchase": ("order", None), "payment_error": ("failed", None), "checkout_bug": ("error", None),
               "compare": ("compared", None)}
    sessions = collections.defaultdict(list)
    for row in table(source, "events.csv.gz"):
        kind, detail = meaning.get(row["event"], ("other", None))
        sessions[row["session_id"]].append((seconds(row["timestamp"]), kind, detail))
    return {name: sorted(events, key=lambda e: e[0]) for name, events in sessions.items()}


def snowplow_sessions(source):
    context = "com_snowplowanalytics_snowplow_{}.csv"

    def joined(name):
        found = collections.defaultdict(list)
        for row in table(source, "source", context.format(name)):
            found[row["root_id"]].append(row)
        return found

    actions, products = joined("ecommerce_action_1"), joined("ecommerce_product_1")
    steps, clients = joined("ecommerce_checkout_step_1"), joined("client_session_1")
    raw = collections.defaultdict(list)
    for row in table(source, "source", "snowplow_ecommerce_events.csv.gz"):
        session = row["domain_sessionid"] or clients[row["event_id"]][0]["session_id"]
        raw[session].append((seconds(row["derived_tstamp"]), row["event_id"]))
    sessions = {}
    for name, events in raw.items():
        inside, told = set(), []
        for at, event in sorted(events, key=lambda e: e[0]):
            action = actions[event][0]["type"] if event in actions else ""
            named = {product["id"] for product in products.get(event, [])}
            if action == "add_to_cart":
                inside |= named
            if action == "remove_from_cart":
                inside -= named
            if action in ("add_to_cart", "remove_from_cart"):
                told.append((at, "stage", ("cart", len(inside))))
            elif action == "checkout_step":
                number = int(steps[event][0]["step"])
                stage = "contact" if number == 1 else "shipping" if number == 2 else "payment"
                told.append((at, "stage", (stage, len(inside))))
            elif action == "transaction":
                told.append((at, "order", None))
            else:
                told.append((at, "other", None))
        sessions[name] = told
    return sessions


def lower_median(values):
    return sorted(values)[(len(values) - 1) // 2] if values else None


def report(sessions, stories):
    """What the service's reports must say, each number counted from the stories and nothing else."""
    def furthest(story):
        return STAGES.index(story["progress"][-1][0]) if story["progress"] else len(STAGES) - 1

    def reached(story, stage):
        return story["standing"] == "bought" or furthest(story) >= stage

    def stopped(stage, standing):
        return sum(1 for story in stories.values() if story["standing"] == standing and furthest(story) == stage)

    times, order_times = collections.defaultdict(list), []
    days = collections.defaultdict(lambda: {"carts": 0, "reached": [0] * len(STAGES), "abandoned": 0, "bought": 0})
    reasons = collections.Counter()
    for story in stories.values():
        after = [at for _, at in story["progress"][1:]] + ([story["ordered"]] if story["ordered"] is not None else [])
        for (stage, at), until in zip(story["progress"], after):
            times[stage].append(until - at)
        if story["progress"] and story["ordered"] is not None:
            order_times.append(story["ordered"] - story["begun"])
        one = days[day(story["begun"])]
        one["carts"] += 1
        one["abandoned"] += story["standing"] == "abandoned"
        one["bought"] += story["standing"] == "bought"
        for stage in range(len(STAGES)):
            one["reached"][stage] += reached(story, stage)
        for _, why, at in story["abandonments"]:
            reasons[day(at), why] += 1
    bought = sum(1 for story in stories.values() if story["standing"] == "bought")
    totals = [sum(1 for story in stories.values() if reached(story, stage)) for stage in range(len(STAGES))] + [bought]
    return {
        "carts": len(stories), "bought": bought,
        "orders": sum(1 for events in sessions.values() for event in events if event[1] == "order"),
        "stages": [{"stage": name, "reached": totals[n], "went_on": totals[n + 1], "abandoned": stopped(n, "abandoned"),
                    "open": 0, "ended": stopped(n, "ended"), "median_seconds": lower_median(times[name])}
                   for n, name in enumerate(STAGES)],
        "median_order_seconds": lower_median(order_times),
        "by_day": dict(sorted(days.items())),
        "reasons_by_day": {f"{when} {why}": count for (when, why), count in sorted(reasons.items())},
        "first_day": min(days), "resumed": sum(story["resumed"] for story in stories.values()),
    }


def summary(sessions):
    end = max(at for events in sessions.values() for at, *_ in events) + AFTER_THE_END
    stories = {name: story for name, events in sessions.items() if (story := walk(events, end))}
    tally = collections.Counter()
    reasons, inside, outside = collections.Counter(), collections.Counter(), collections.Counter()
    for story in stories.values():
        tally["carts"] += 1
        tally["resumed"] += story["resumed"]
        for stage in story["stages"]:
            tally[f"stage_entered/{stage}"] += 1
        for stage, what in story["met"]:
            tally[f"checkout_errors/{stage}/{what}"] += 1
        for stage, why, at in story["abandonments"]:
            tally[f"abandonments/{stage}"] += 1
            tally[f"reasons/{stage}/{why}/{SOURCE[why]}"] += 1
            reasons[why] += 1
            if why in INCIDENTS:
                first, final = INCIDENTS[why]
                (inside if first <= day(at) <= final else outside)[why] += 1
        if story["failures"]:
            tally["payment_failures/processing"] += story["failures"]
        if story["ended"]:
            why, ending = story["ended"]
            tally[f"primary_reasons/{why}/{SOURCE[why]}/{ending}"] += 1
        if story["converted"]:
            tally[f"conversions/{story['converted']}"] += 1
    total = lambda prefix: sum(count for key, count in tally.items() if key.startswith(prefix))
    return stories, {
        "carts": tally["carts"],
        "converted": total("conversions/"),
        "abandonments": total("abandonments/"),
        "carts_abandoned_at_least_once": sum(1 for story in stories.values() if story["abandonments"]),
        "resumed": tally["resumed"],
        "reasons": dict(sorted(reasons.items())),
        "incident_windows": {why: {"days": "..".join(INCIDENTS[why]), "inside": inside[why], "outside": outside[why]}
                             for why in INCIDENTS},
        "events_exactly_at_the_end_of_a_window": sum(story["exact"] for story in stories.values()),
        "orders_before_any_cart_event": sum(1 for story in stories.values() if story["converted"] and not story["stages"]),
        "tallies": dict(sorted(tally.items())),
        "report": report(sessions, stories),
    }


def sessions_sharing_a_browser(source, stories):
    """Carts of one browser could settle one another; the count takes each by itself, so there must be none."""
    clients = {row["root_id"]: row for row in table(source, "source", "com_snowplowanalytics_snowplow_client_session_1.csv")}
    browsers = collections.defaultdict(set)
    for row in table(source, "source", "snowplow_ecommerce_events.csv.gz"):
        client = clients.get(row["event_id"], {})
        session = row["domain_sessionid"] or client["session_id"]
        if session in stories:
            browsers[row["domain_userid"] or client.get("user_id", session)].add(session)
    return sum(len(sessions) for sessions in browsers.values() if len(sessions) > 1)


def against_the_tracker(source, stories):
    """The tracker calls a session abandoned when it saw more carts created than transacted in it."""
    rows = {row["domain_sessionid"]: row["session_cart_abandoned"].lower()
            for row in table(source, "default", "snowplow_ecommerce_sessions_expected.csv")
            if row["session_cart_abandoned"]}
    ours = {name: bool(story["abandonments"]) for name, story in stories.items()}
    differ = {}
    for name, story in stories.items():
        theirs = rows.get(name) == "true"
        if theirs == ours[name]:
            continue
        if story["converted"]:
            why = "bought in the session; the tracker judges each further cart by itself, here an order closes the session's cart"
        elif theirs:
            why = "the shopper emptied the cart; without lines there is nothing to abandon"
        else:
            why = "left with lines in the cart; the tracker missed its creation, for the event names its product twice and its sums disagree"
        differ.setdefault(why, []).append(name[:12])
    return {
        "sessions_with_a_cart": len(rows),
        "abandoned_by_the_tracker": sum(value == "true" for value in rows.values()),
        "abandoned_here": sum(ours.values()),
        "same_sessions": sorted(rows) == sorted(stories),
        "differences": differ,
    }


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("ecom", "snowplow"):
        sys.exit(__doc__)
    sessions = {"ecom": ecom_sessions, "snowplow": snowplow_sessions}[sys.argv[1]](sys.argv[2])
    stories, counted = summary(sessions)
    if sys.argv[1] == "snowplow":
        counted["carts_sharing_a_browser"] = sessions_sharing_a_browser(sys.argv[2], stories)
        counted["against_the_tracker"] = against_the_tracker(sys.argv[2], stories)
        del counted["incident_windows"]
    print(json.dumps(counted, indent=1))


if __name__ == "__main__":
    main()
