"""What is built once for all tests of this folder."""

import pytest

from testenv import find_helm


@pytest.fixture(scope="session", autouse=True)
def _programs_are_there(request: pytest.FixtureRequest) -> None:
    """Build Helm before the first test that needs it, so that its time limit is not spent on that; `make helm`."""
    if any(item.path.name.startswith(("test_chart", "test_kustomize")) for item in request.session.items):
        find_helm()
