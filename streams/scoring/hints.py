"""Hints that the registry has changed, from the releases topic. They only save waiting: the alias is the truth.

So nothing here can fail a worker: a topic that cannot be read is said so and tried again, and meanwhile the
registry is looked at as often as the settings say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiokafka

from streams import logs
from streams.operate.client import aiokafka_options
from streams.settings import Settings

log = logs.get(__name__)

AGAIN_SECONDS = 30.0


async def hear_hints(settings: Settings, hint: Callable[[], None]) -> None:
    """Call ``hint`` for every new record of the releases topic, until cancelled."""
    while True:
        consumer = aiokafka.AIOKafkaConsumer(
            settings.topics.releases,
            **aiokafka_options(settings, "releases"),
            group_id=None,
            auto_offset_reset="latest",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
            hint()  # whatever was said before we listened
            async for _ in consumer:
                hint()
        except Exception as exc:  # whatever it is, a worker does not need hints
            log.warning("no hints of new releases for now", reason=repr(exc)[:200])
        finally:
            await consumer.stop()
        await asyncio.sleep(AGAIN_SECONDS)
