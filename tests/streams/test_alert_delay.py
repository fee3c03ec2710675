"""How late an alert is: from the end of the window that rang, and only when it begins to ring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from streams.records import Window
from tests.streams.test_agents import HOME, Bench, _alert, _observations


async def test_how_late_an_alert_is_counts_from_the_end_of_its_window() -> None:
    bench = Bench()
    role = bench.watching()
    await bench.assigned(role)
    now = datetime.now(UTC)
    ends = [(now - timedelta(seconds=71)).isoformat(), (now + timedelta(seconds=30)).isoformat(), "no time"]
    firing = [msgspec.structs.replace(_alert(end), window=Window("s", end, 900)) for end in ends]
    bench.consumer.ledger.deliver(HOME, 0, 2)
    role._sent(_observations(0, 2), [*firing, msgspec.structs.replace(firing[0], state="resolved")])
    value = bench.metrics.registry.get_sample_value
    assert value("tocsin_alert_delay_seconds_count") == 2
    assert 70 <= (value("tocsin_alert_delay_seconds_sum") or 0) < 100
