"""The README's example of other issuers is one that the gateway takes."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.issuers import External

README = Path(__file__).parents[3] / "gateway" / "README.md"


@pytest.mark.requirement("DOC-02")
def test_the_example_of_another_issuer_is_valid_and_names_systems() -> None:
    found = re.search(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    (stated,) = json.loads(found[1])
    assert External.model_validate(stated).systems == {"emission-client": "sthjj-emission"}
    with pytest.raises(ValidationError, match="systems"):
        External.model_validate({name: value for name, value in stated.items() if name != "systems"})
