"""Writers that record what was told and keep each receipt, answered only under a checkpoint that is witnessed."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.evidence.blocks import Block
from app.evidence.receipts import ReceiptView
from app.evidence.verifying import verify_receipt
from app.settings import settings
from tests.arrange import forum_decision
from tests.faults.fleet import rows
from tests.faults.writers import LOGGED, Place, Service, Write, Writer
from tests.ready import identified
from tests.steps import disclosure, intake
from tests.world import World, let_go


@dataclass(frozen=True)
class Telling:
    """A case that stands at the disclosure stage, and stays there: somebody else is still to be told."""

    case: str
    victim: str
    decision: str
    item: str


def stands_at_disclosure(to: Service) -> Telling:
    """Bring a case there over an API that answers, while nobody else writes; what the log tells of that is kept."""
    before = _logged(to)
    with pytest.MonkeyPatch.context() as given:
        given.setenv("CLARES_LAW_CLOCK", str(to.hour.file))
        given.setenv("CLARES_LAW_DATA_DIR", str(to.folder / "data"))
        settings.cache_clear()
        try:
            telling = asyncio.run(_brought(to))
        finally:
            let_go(to.url)
    settings.cache_clear()
    to.arranged = _logged(to) - before
    return telling


def _logged(to: Service) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row.values()) for row in rows(to.url, LOGGED))


async def _brought(to: Service) -> Telling:
    async with httpx.AsyncClient(base_url=to.address, timeout=30, trust_env=False) as http:
        world = World(to.url, http, to.issuer, to.hour.file)
        both = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
        case = await intake.opened(world, intake.right_to_ask(world, potential_victims=both))
        identified(world, case)
        victims = intake.parties(world, case)["potential_victim"]
        decided = [forum_decision(world, case, one, disclose=True, recipient=one) for one in victims]
        return Telling(case, victims[0], decided[0], await disclosure.prepare(world, case))


class Discloser(Writer):
    """One that also records disclosures, and waits for the receipt of each before anything else is written."""

    def __init__(self, to: Service, number: int, shared: Place, telling: Telling) -> None:
        super().__init__(to, number, shared)
        self.telling = telling
        self.receipts: dict[str, str] = {}

    def _write_one(self, http: httpx.Client) -> None:
        if self._chance.random() < 0.5:
            self._disclose(http)
        else:
            super()._write_one(http)

    def _disclose(self, http: httpx.Client) -> None:
        key, telling = self._key(), self.telling
        of_case = {"decision_id": telling.decision, "item_ids": [telling.item]}
        body = disclosure.told(telling.victim, words=self._words(key), **of_case)
        path = disclosure.path(telling.case, "disclosures")
        kept = self._until_acknowledged(http, Write(key, path, body, telling.case))
        receipt = self._until_answered(http, f"{kept['receipt']}?wait=10").text
        assert has_seen(self.to, ReceiptView.model_validate_json(receipt).checkpoint), f"not witnessed: {kept['id']}"
        self.receipts[kept["id"]] = receipt
        shown = self._until_answered(http, f"{path}/{kept['id']}").json()
        assert shown["words"] == body["words"], f"not as it was told: {kept['id']}"


def has_seen(to: Service, note: str) -> bool:
    """Whether the witness holds this checkpoint at this moment, in a line that is whole."""
    lines = reversed(to.witness.read_bytes().split(b"\n")[:-1])
    sought = json.dumps(note, ensure_ascii=False).encode()
    return any(sought in line and Block.parse(line).note == note for line in lines)


def receipts_hold(to: Service, disclosers: Sequence[Discloser]) -> int:
    """Every disclosure has the receipt that was answered first, which holds from witness and key alone; how many."""
    history, key = to.seen()
    kept = {one: receipt for discloser in disclosers for one, receipt in discloser.receipts.items()}
    assert kept.keys() == {str(row["id"]) for row in rows(to.url, "SELECT id FROM disclosure")}
    with httpx.Client(base_url=to.address, timeout=30, headers=to.headers, trust_env=False) as http:
        for one, receipt in kept.items():
            assert verify_receipt(receipt, history, key).startswith(f"It holds: disclosure {one} is record number")
            again = http.get(disclosure.path(disclosers[0].telling.case, f"disclosures/{one}/receipt"))
            assert (again.status_code, again.text) == (httpx.codes.OK, receipt)
    stage = rows(to.url, "SELECT stage FROM application WHERE id = %s", disclosers[0].telling.case)
    assert stage == [{"stage": "disclosure"}]
    return len(kept)
