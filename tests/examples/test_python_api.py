import subprocess
import sys

import pytest
from helpers.example_packages import EXAMPLES


@pytest.mark.docker
def test_example_of_the_python_api_prints_its_tables(engine: None) -> None:
    words = [sys.executable, str(EXAMPLES / "python_api.py"), "2"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for text in ("ar: pass@1", "diffusion: pass@1", "forwards", "2 shared problems", "tokens_per_s"):
        assert text in done.stdout
