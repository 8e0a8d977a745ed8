"""Programs of C-like languages are harmless only if all their words are listed."""

import time

import pytest
import yaml
from helpers.attack import PROGRAMS

from evalharness.sandbox.languages import languages_by_image
from evalharness.sandbox.tampering.plain_text import c_like_source_can_only_compute

LISTED = [name for name, language in sorted(languages_by_image().items()) if language.harmless]
PLAIN = {
    "js": [
        "  const parts = s.split(',').map((part) => parseInt(part));\n  return Math.max(...parts);\n}",
        "  let count = 0; // a comment\n  for (let i = 0; i < lst.length; i++) { if (lst[i] === 'a') count += 1; }\n}",
        "  return isPrime(n);\n}\nfunction isPrime(n) { for (let i = 2; i < n; i++) if (n % i === 0) return false; }",
    ],
    "ts": ["  const seen: Set<number> = new Set();\n  return Array.from(seen).sort((a, b) => a - b);\n}"],
    "php": ["    $total = array_sum($lst);\n    foreach ($lst as $key => $value) { $total += strlen($value); }\n}"],
    "java": ["        return (int) (Math.floor(a) + n.stream().filter(x -> x > 0L).count());\n    }"],
    "cpp": ["    std::sort(v.begin(), v.end(), [&](auto a, auto b) { return a < b; });\n    return v[0];\n}"],
}
SUSPICIOUS = {
    "js": [
        "  process.exit(0);\n}",
        "  return require('fs');\n}",
        "  const f = a['const' + b];\n  f('code')();\n}",
        "  a[b]('code');\n}",
        "  Math.floor = (x) => 0;\n}",
        "  Math['floor'] = (x) => 0;\n}",
        "  const m = Math;\n}",
        "  return a.constructor;\n}",
        "  return a['__proto__'];\n}",
        "  return `${a}`;\n}",
        "  return test.toString();\n}",
        "}\nfunction test() {}",
        "  /* open",
        "  return 'open;\n}",
        "  \\u0061();\n}",
    ],
    "php": [
        "    return 0;\n}\nfunction candidate() { return 3; }",
        "    return file_get_contents(__FILE__);\n}",
        "    $f = 'sys' . 'tem'; $f('id');\n}",
        "    return array_map($f, $x);\n}",
        "    exit;\n}",
        "}\n?>",
        "    return `id`;\n}",
        '    return "{$x->y()}";\n}',
        "    new $x;\n    $x::y();\n}",
    ],
    "java": [
        "        System.exit(0);\n    }",
        "        return a.getClass();\n    }",
        "    }\n    static class Pair {}",
        '        return "\\u0022 + x";\n    }',
    ],
    "cpp": [
        "    exit(0);\n}",
        "    auto f = v[0];\n    v[0](1);\n}",
        "    std::for_each(v.begin(), v.end(), exit);\n}",
        "#define x y\n}",
        '    asm("");\n}',
        "    fs[0](0);\n}",
    ],
}


@pytest.mark.parametrize(("name", "source"), [(name, text) for name, texts in PLAIN.items() for text in texts])
def test_plain(name: str, source: str) -> None:
    hello = languages_by_image()[name].hello
    assert c_like_source_can_only_compute(source, languages_by_image()[name], hello.prompt, hello.tests)


@pytest.mark.parametrize(("name", "source"), [(name, text) for name, texts in SUSPICIOUS.items() for text in texts])
def test_suspicious(name: str, source: str) -> None:
    hello = languages_by_image()[name].hello
    assert not c_like_source_can_only_compute(source, languages_by_image()[name], hello.prompt, hello.tests)


@pytest.mark.parametrize("name", LISTED)
def test_no_attack_is_plain(name: str) -> None:
    language = languages_by_image()[name]
    for attack in yaml.safe_load((PROGRAMS / "languages" / f"{name}.yaml").read_text()).values():
        hello = language.hello
        assert not c_like_source_can_only_compute(attack["source"], language, hello.prompt, hello.tests), attack[
            "tries"
        ]


def test_a_language_without_a_list_has_no_harmless_programs() -> None:
    assert not c_like_source_can_only_compute("", languages_by_image()["sh"])


@pytest.mark.parametrize(
    "unit", ["a", "(", "[", "/*", "//", '"', "'", "\\", "a(", "a.", "$", "](", ")(", "/*/", "=>", "a = (", "\n", "9."]
)
def test_any_text_takes_little_time(unit: str) -> None:
    for size in (60_000, 1_000_000):
        started = time.process_time()
        for name in LISTED:
            c_like_source_can_only_compute(unit * (size // len(unit)), languages_by_image()[name])
        assert time.process_time() - started < 5
