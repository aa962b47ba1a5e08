"""Cases walked from first contact to the closing report, over real HTTP, with a real worker and moved time."""

import pytest

pytest.register_assert_rewrite("tests.journeys.journey", "tests.journeys.running")
