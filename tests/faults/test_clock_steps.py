"""The machine's clock is stepped while workers run: nothing is lost, doubled, or recorded before it fell (H11)."""

from datetime import datetime, timedelta
from pathlib import Path

from app import clock
from tests.faults.fleet import each_once, eventually, expected, fleet, put_in, rows, told
from tests.world import START

_DAY = timedelta(days=1)


class Machine:
    """The machine's time as workers under `tests.faults.stepped` know it; scheme time is the same."""

    def __init__(self, file: Path, now: datetime) -> None:
        self.file = file
        self.off_by = now - clock.real_now()
        self.step(timedelta())

    @property
    def environment(self) -> dict[str, str]:
        """How a process reads it."""
        return {"MACHINE_CLOCK": str(self.file)}

    @property
    def now(self) -> datetime:
        """What it shows."""
        return clock.real_now() + self.off_by

    def step(self, by: timedelta) -> None:
        """Step it."""
        self.off_by += by
        fresh = self.file.with_suffix(".next")
        fresh.write_text(str(self.off_by.total_seconds()))
        fresh.replace(self.file)


def test_a_day_back_a_day_on_and_twenty_eight_days_on(place: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine", START)
    planned = put_in(place, 200, first=START - 10 * _DAY, last=START)
    with fleet(place, tmp_path, machine.environment, module="tests.faults.stepped") as many:
        many.start(2)
        many.await_work()

        def swept() -> datetime:
            """Wait until everything is swept up to now, as the machine has it."""
            now = machine.now
            many.swept(now, since=now)
            return now

        swept()
        first = told(place)
        kept = rows(place, "SELECT * FROM alert ORDER BY id")
        assert first.keys() == expected(planned, now=START)

        machine.step(-_DAY)
        back = machine.now
        many.swept(back, since=back)
        eventually(lambda: all("clock_stepped" in one.log.read_text() for one in many.workers), "both workers notice")
        assert rows(place, "SELECT * FROM alert ORDER BY id") == kept, "nothing is taken back, and nothing told again"
        # What falls due in the day that comes again is told in it, not when the day is over.
        late = put_in(place, 20, first=back - timedelta(hours=13), last=back - timedelta(hours=13))
        swept()
        new = expected(late, now=back)
        assert new
        assert told(place).keys() == first.keys() | new

        machine.step(_DAY)
        swept()
        each_once(place, expected(planned + late, now=machine.now))
        machine.step(28 * _DAY)
        until = swept()
        assert set(many.stop()) == {0}
    each_once(place, expected(planned + late, now=until))
    assert rows(place, "SELECT 1 FROM alert WHERE recorded_at > %s", until + _DAY) == []
