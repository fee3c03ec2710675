"""A school on an embedded broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.operate.admin import create_topics
from streams.operate.embedded import EmbeddedBroker
from tests.trainer.conftest import Court
from tests.trainer.cycle.school import School


@pytest.fixture
def school(court: Court, tmp_path: Path) -> Iterator[School]:
    known = [row for row in (*court.sets.anchors, *court.sets.recent) if row.sentiment is not None]
    with EmbeddedBroker() as servers:
        school = School(servers, tmp_path, court.champion, court.base, known)
        create_topics(school.settings)
        yield school
