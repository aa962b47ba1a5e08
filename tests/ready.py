"""A case in which everything that clearance of a delivery asks for is there; only for tests of stage 7."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.arrange import forum_decision, version_of
from tests.steps import disclosure as steps
from tests.steps import intake
from tests.world import World


@dataclass
class Ready:
    """A case in which everything that clearance asks for is there."""

    world: World
    case: str
    victim: str
    subject: str
    decision: str
    item: str

    def body(self, **changed: Any) -> dict[str, Any]:
        """What is asked at the door."""
        return steps.clearance(self.world, self.victim, self.decision, [self.item]) | changed

    def told(self, **changed: Any) -> dict[str, Any]:
        """What is recorded when it was cleared by no clearance."""
        return steps.told(self.victim, decision_id=self.decision, item_ids=[self.item], **changed)

    async def ask(self, body: dict[str, Any], *, by: str = "officer2") -> httpx.Response:
        """Ask for clearance."""
        address = steps.path(self.case, "delivery-clearance")
        return await self.world.as_(by).post(address, body, headers=version_of(self.world, self.case))

    async def refused(self, code: str, *, by: str = "officer2", **changed: Any) -> str:
        """Clearance is refused for this one reason and nothing changes; what it says."""
        with self.world.unchanged():
            answer = await self.ask(self.body(**changed), by=by)
        assert answer.status_code == 409, answer.text
        assert [one["code"] for one in answer.json()["obstacles"]] == [code]
        said: str = answer.json()["obstacles"][0]["says"]
        assert answer.json()["detail"] == said
        return said

    def whole_case(self) -> dict[str, Any]:
        """The whole-case clock."""
        query = "SELECT * FROM clock WHERE case_id = %s AND kind = 'whole_case'"
        return self.world.rows(query, self.case)[0]

    def state(self) -> tuple[str, str | None]:
        """Stage and outcome."""
        row = self.world.rows("SELECT stage, outcome FROM application WHERE id = %s", self.case)[0]
        return row["stage"], row["outcome"]


def identified(world: World, case: str) -> None:
    """The subject's identity is confirmed."""
    world.execute("UPDATE application SET subject_identified_at = %s WHERE id = %s", world.now, case)


async def made_ready(world: World, **changed: Any) -> Ready:
    """Open a case and bring everything that clearance asks for; `changed` goes to the decision."""
    case = await intake.opened(world)
    parties = intake.parties(world, case)
    victim = parties["potential_victim"][0]
    identified(world, case)
    decision = forum_decision(world, case, victim, **{"disclose": True, "recipient": victim, **changed})
    await steps.plan(world, case, victim)
    return Ready(world, case, victim, parties["subject"][0], decision, await steps.prepare(world, case))


def flags(receipt: dict[str, Any]) -> set[str]:
    """What of an act is before a supervisor."""
    return {flag["code"] for flag in receipt["put_before_supervisor"]}
