"""Prints the figures of our targets: `make bench`. Counts and ratios; a busy machine bends milliseconds."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from tests.benchmarks import cold_start, prices, replay, rules
from tests.benchmarks.happy_path import happy_path
from tests.conftest import FAKE_AWS

if TYPE_CHECKING:
    from tests.benchmarks.happy_path import Event, HappyPath

STATE_BYTES = 1024
USD_A_MILLION = 35


def say(text: str = "") -> None:
    """Print a line at once, whatever it is printed to."""
    print(text, flush=True)


def main() -> None:
    """Print everything, the quick part first."""
    os.environ.update(FAKE_AWS)
    say("One order from the shop to its customer: direct route, 3 lines, 1 parcel, over AWS in this process")
    path = happy_path()
    _operations(path)
    _partners(path)
    _money(path.events)
    say("Rules: 200 of them, mixed, over 100,000 orders; CPU time against the same conditions as closures by hand")
    for line in rules.lines():
        say(f"  {line}")
    say("Replay of 100,000 snapshots in this process: 200 rules against 200 others, unpacking included")
    replay.in_process(100_000, lambda line: say(f"  {line}"))
    say("Instructions of the built functions, against the least a receiver can do")
    if lacking := cold_start.missing():
        say(f"  not counted: {lacking} is not there")
        return
    for line in cold_start.counted():
        say(line)


def _operations(path: HappyPath) -> None:
    say(f"  {'what happened':28}{'intake':>7}{'look':>6}{'write units':>13}{'of indexes':>12}{'read units':>12}")
    for event in path.events:
        written, index = event.units.write + event.units.index, event.units.index
        say(
            f"  {event.name:28}{event.intake.total() or '-':>7}{event.look.total():>6}{written:>13}{index:>12}"
            f"{event.units.read:>12g}   {event.outcome}"
        )
    say("  intake and look: AWS calls; a due look is one of many, see below")
    for name, calls in (("intake", _sum("intake", path.events)), ("looks", _sum("look", path.events))):
        say(f"  {name}: {_listed(calls)}")
    say(f"  a warm webhook: {_listed(path.warm_intake)} (target: 1 call)")
    largest = max(event.state_bytes for event in path.events)
    say(f"  STATE: at most {largest} bytes (target: ≤ {STATE_BYTES}, one write unit)")
    say()


def _partners(path: HappyPath) -> None:
    say("Partner calls of this order")
    for event in path.events:
        if event.partners:
            say(f"  {event.name:28}{_listed(event.partners)}")
    told = [event for event in path.events if not event.due]
    say(f"  {_sum('partners', told).total()} in all without due looks (the sweeps' own pages are shared by all orders)")
    say()


def _money(events: list[Event]) -> None:
    say("List price of a million such orders, USD")
    told, due = [event for event in events if not event.due], [event for event in events if event.due]
    alone, in_tens = prices.cost(told), prices.cost(told, batch=prices.FULL_BATCH)
    say(f"  {'':30}{'alone':>8}{'in tens':>10}   (messages in a worker's batch)")
    for item, amount in sorted(alone.items(), key=lambda each: -each[1]):
        say(f"  {item:30}{amount:>8.2f}{in_tens[item]:>10.2f}")
    total, least = sum(alone.values()), sum(in_tens.values())
    say(f"  {'what partners and sweeps tell':30}{total:>8.2f}{least:>10.2f}   (target: ≤ {USD_A_MILLION})")
    for event, (times, where) in zip(due, prices.due_looks(), strict=True):
        one, one_of_ten = (sum(prices.cost([event], batch=batch).values()) for batch in (1, prices.FULL_BATCH))
        say(f"  {event.name:30}{one * times:>8.2f}{one_of_ten * times:>10.2f}   {times} x {one:.2f}: {where}")
    for line in (*prices.ASSUMPTIONS, *prices.FIXED):
        say(f"  {line}")
    say()


def _sum(what: str, events: list[Event]) -> Counter[str]:
    return sum((getattr(event, what) for event in events), Counter())


def _listed(calls: Counter[str]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(calls.items()))


if __name__ == "__main__":
    main()
