from pathlib import Path

import pytest

from evalharness.training.corpus.library import find_documented_functions, find_permissive_license


@pytest.mark.parametrize(
    "said",
    ["MIT", "MIT License", "BSD-3-Clause", "Apache-2.0 OR BSD-2-Clause", "PSF-2.0", "ISC License (ISCL)", "0BSD"],
)
def test_permissive_licenses(said: str) -> None:
    assert find_permissive_license(["", said]) == said


@pytest.mark.parametrize(
    "said",
    [
        "", "GPLv3", "GNU Lesser General Public License", "GNU General Public License / BSD", "MPL-2.0",
        "MIT AND EPL-2.0", "Mozilla Public License", "Limited use only", "transmitted under agreement",
        "LicenseRef-Permitted-Use", "Misc",
        "MIT AND SSPL-1.0", "BSD for non-commercial use", "Apache License 2.0 with Commons Clause", "Proprietary",
    ],
)  # fmt: skip
def test_other_licenses(said: str) -> None:
    assert find_permissive_license([said]) == ""
    if said not in ("", "Limited use only", "transmitted under agreement", "LicenseRef-Permitted-Use", "Misc"):
        assert find_permissive_license(["BSD", said]) == ""


def test_a_form_feed_is_not_a_line_break(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text('x = 1\n\x0c\ndef f(a):\n    """Text."""\n    b = a + 1\n    return b\n')
    (found,) = find_documented_functions(file)
    assert found.head == 'def f(a):\n    """Text."""\n'
    assert found.body == "    b = a + 1\n    return b\n"
