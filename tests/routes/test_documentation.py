"""The interactive documentation comes from the service alone, and no page lets a foreign script in."""

import re

from tests.world import World

OTHER_HOST = re.compile(r'(?:src|href)="(?:https?:)?//')


async def test_the_documentation_loads_nothing_from_elsewhere(world: World) -> None:
    page = await world.http.get("/docs")
    assert page.status_code == 200
    assert OTHER_HOST.search(page.text) is None
    scripts = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(scripts) == 3
    for address in scripts:
        assert (await world.http.get(address)).status_code == 200
    assert (await world.http.get("/redoc")).status_code == 404


async def test_every_answer_says_what_a_browser_may_do_with_it(world: World) -> None:
    for address, allowed in (("/docs", "script-src 'self' "), ("/v1/applications", "default-src 'none'")):
        headers = (await world.nobody().get(address)).headers
        assert allowed in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
