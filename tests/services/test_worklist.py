"""The worklist is read from its index, however many cases are open."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event

from app.casefile.worklist import Position, worklist
from app.storage.engine import DatabaseRole, engine_for, sessions, set_context
from tests.steps import intake
from tests.world import OWN, World

MANY = 10_000
ANYTHING: dict[str, Any] = dict.fromkeys(("stage", "route", "assignee", "urgent", "overdue", "due_before"))


def multiply(world: World, case: str) -> None:
    """Open cases like this one, of every rank, each with a clock that falls due at another time."""
    columns = {
        table: [
            row["column_name"]
            for row in world.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'",
                table,
            )
        ]
        for table in ("application", "clock")
    }
    copied = {
        "application": {
            "id": "md5('case' || n)::uuid",
            "reference": "'DVDS-' || n",
            "current_grade": "(ARRAY['standard', 'medium', 'high', NULL])[1 + n %% 4]",
        },
        "clock": {
            "id": "md5('clock' || n)::uuid",
            "case_id": "md5('case' || n)::uuid",
            "due_at": "due_at + n * interval '1 minute'",
        },
    }
    for table, changed in copied.items():
        values = ", ".join(changed.get(name, name) for name in columns[table])
        which = "id = %s" if table == "application" else "case_id = %s AND kind = 'whole_case'"
        world.execute(
            f"INSERT INTO {table} ({', '.join(columns[table])}) "
            f"SELECT {values} FROM {table}, generate_series(1, {MANY}) AS n WHERE {which}",
            case,
        )
        world.execute(f"ANALYZE {table}")


async def test_a_page_is_read_from_the_index_in_its_order(world: World) -> None:
    case = await intake.opened(world)
    multiply(world, case)
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    heard: list[tuple[str, Any]] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: heard.append((told[2], told[3])))
    further = Position(3, world.now + timedelta(days=29), world.rows("SELECT id FROM application LIMIT 1")[0]["id"])
    for after in (None, further):
        async with sessions(engine)() as session:
            await set_context(session, force_id=OWN)
            heard.clear()
            rows = await worklist(
                session,
                force_id=OWN,
                now=world.now,
                unassigned=False,
                after=after,
                limit=50,
                **ANYTHING,
            )
            [(statement, values)] = heard  # one statement
            connection = await session.connection()
            told = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
            plan = "\n".join(row[0] for row in told)
        assert len(rows) == 51
        assert "Index Scan using ix_application_by_risk on application" in plan, plan
        assert "Seq Scan on application" not in plan
        before_the_join = plan.split("ix_application_by_risk")[0]
        assert "Sort" not in before_the_join, plan
    await engine.dispose()
