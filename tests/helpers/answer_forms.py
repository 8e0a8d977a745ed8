"""The forms in which chat models write code in their answers, beyond one plain fenced block."""

import html
import textwrap
from collections.abc import Callable, Mapping

FENCE = "```"
PROSE = "This runs in linear time; it uses `sorted`.\n\n* First, the input is read.\n* Then it's compared.\n"
WRONG = "def {name}(*args):\n    return 'a wrong draft'\n"


def fenced(code: str, tag: str = "python", fence: str = FENCE) -> str:
    return f"{fence}{tag}\n{code.rstrip()}\n{fence}\n"


def quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in text.splitlines())


FORMS: Mapping[str, Callable[[str, str], str]] = {
    # name of the form: answer from (code, name of the function)
    "plain": lambda code, name: fenced(code),
    "prose around": lambda code, name: f"Sure!\n\n{fenced(code)}\n{PROSE}",
    "no language": lambda code, name: fenced(code, ""),
    "language in capitals": lambda code, name: fenced(code, "Python"),
    "language with attributes": lambda code, name: fenced(code, '{.python title="a.py"}'),
    "language python3": lambda code, name: fenced(code, "python3"),
    "space before the language": lambda code, name: fenced(code, " python"),
    "tildes": lambda code, name: fenced(code, fence="~~~"),
    "four backticks": lambda code, name: fenced(code, fence="````"),
    "no closing fence": lambda code, name: f"Here:\n\n```python\n{code}",
    "cut inside the closing fence": lambda code, name: f"```python\n{code.rstrip()}\n``",
    "closing fence alone": lambda code, name: f"{code.rstrip()}\n```\n",
    "closing fence and prose": lambda code, name: f"{code.rstrip()}\n```\n\n{PROSE}",
    "no fence": lambda code, name: code,
    "no fence, prose before": lambda code, name: f"Here is the function:\n\n{code}",
    "no fence, prose after": lambda code, name: f"{code}\n\nIt adds the two numbers.\n",
    "no fence, prose around": lambda code, name: f"Here is the function:\n\n{code}\n\nIt's done, isn't it?\n",
    "fence behind text": lambda code, name: f"Here: {fenced(code)}",
    "text behind the closing fence": lambda code, name: f"{fenced(code).rstrip()} That is all.\n",
    "closing fence behind code": lambda code, name: f"```python\n{code.rstrip()}```\n",
    "tag code": lambda code, name: f"<code>\n{code}</code>\n",
    "tags pre and code": lambda code, name: f"<pre><code>\n{code}</code></pre>\n",
    "tag answer": lambda code, name: f"<answer>\n{fenced(code)}</answer>\n",
    "tag answer, no fence": lambda code, name: f"<answer>\n{code}</answer>\n",
    "tag with attributes": lambda code, name: f'<pre lang="python">\n{code}</pre>\n',
    "references of HTML": lambda code, name: fenced(html.escape(code)),
    "LaTeX": lambda code, name: f"\\begin{{lstlisting}}[language=Python]\n{code}\\end{{lstlisting}}\n",
    "fence in the first column of a docstring": lambda code, name: fenced(
        f'"""Example:\n{FENCE}\n{name}\n{FENCE}\n"""\n{code}'
    ),
    "language on its own line": lambda code, name: fenced(f"python\n{code}", ""),
    "tags of CodeLlama": lambda code, name: f"[PYTHON]\n{code}[/PYTHON]\n",
    "block quote": lambda code, name: quoted(f"Here:\n\n{fenced(code)}"),
    "item of a list": lambda code, name: f"1. So:\n\n{textwrap.indent(fenced(code), '   ')}",
    "item of a list, code not indented": lambda code, name: f"1. So:\n   ```python\n{code}   ```\n",
    "list of four spaces": lambda code, name: f"* So:\n\n{textwrap.indent(fenced(code), '        ')}",
    "indented block": lambda code, name: f"Here:\n\n{textwrap.indent(code, '    ')}",
    "byte order mark": lambda code, name: f"\ufeff{fenced(code)}",
    "Windows line breaks": lambda code, name: fenced(code).replace("\n", "\r\n"),
    "tabs": lambda code, name: fenced(code.replace("    ", "\t")),
    "end token": lambda code, name: f"{fenced(code)}<|im_end|>",
    "no fence, end token": lambda code, name: f"{code}</s>",
    "non-breaking spaces": lambda code, name: fenced(code.replace("    ", "\u00a0\u00a0\u00a0 ")),
    "commands of a notebook": lambda code, name: fenced(f"!pip install numpy\n%matplotlib inline\n{code}"),
    "prompts of the interpreter": lambda code, name: fenced(
        "".join(
            (">>> " if not line.startswith(" ") and line.strip() else "... ") + line + "\n" for line in code.split("\n")
        )
    ),
    "installation first": lambda code, name: f"{fenced('pip install numpy', 'bash')}\n{fenced(code)}",
    "formula first": lambda code, name: f"{fenced('V = a * b', '')}\n{fenced(code)}",
    "tests first": lambda code, name: f"Your tests:\n{fenced(f'assert {name}(1) == 2')}The code:\n{fenced(code)}",
    "usage after": lambda code, name: f"{fenced(code)}Usage:\n{fenced(f'print({name}(1, 2))')}",
    "output after": lambda code, name: f"{fenced(code)}Output:\n{fenced('3', '')}",
    "wrong draft first": lambda code, name: f"{fenced(WRONG.format(name=name))}That is wrong.\n{fenced(code)}",
    "signature after": lambda code, name: f"{fenced(code)}\nIts interface:\n{fenced(f'def {name}(*args): ...')}",
    "other language after": lambda code, name: f"{fenced(code)}In JavaScript:\n{fenced(f'{name} = x', 'js')}",
    "headings": lambda code, name: f"# Solution\n\n### Approach\n{PROSE}\n### Code\n{fenced(code)}",
    "reasoning": lambda code, name: f"<think>\n{fenced(WRONG.format(name=name))}No.\n</think>\n{fenced(code)}",
    "closing tag of reasoning": lambda code, name: f"{fenced(WRONG.format(name=name))}</think>\n\n{fenced(code)}",
    "reasoning with an open fence": lambda code, name: f"<think>\n```python\nx =\n</think>\n{fenced(code)}",
    "reasoning, no fence": lambda code, name: f"<think>Easy.</think>\n{code}",
    "channels": lambda code, name: (
        f"<|channel|>analysis<|message|>{fenced(WRONG.format(name=name))}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{fenced(code)}<|return|>"
    ),
    "channels without tokens": lambda code, name: (
        f"analysis{fenced(WRONG.format(name=name))}assistantfinal{fenced(code)}"
    ),
    "future import": lambda code, name: fenced(f"from __future__ import annotations\n\n{code}"),
    "docstring of the module": lambda code, name: fenced(f'"""A solution."""\n\n{code}'),
    "main program": lambda code, name: fenced(
        f'{code}\n\ndef main():\n    print({name}(input()))\n\n\nif __name__ == "__main__":\n    main()\n'
    ),
    "call of a main function": lambda code, name: fenced(
        f"{code}\n\ndef main():\n    print({name}(input()))\n\n\nmain()\n"
    ),
    "reads input at the end": lambda code, name: fenced(f"{code}\nvalue = input()\nprint({name}(value))\n"),
    "wrong test at the end": lambda code, name: fenced(f"{code}\nassert {name} is None\nprint('passed')\n"),
    "ends itself": lambda code, name: fenced(f"import sys\n{code}\nsys.exit(0)\n"),
    "unit tests at the end": lambda code, name: fenced(
        f"import unittest\n\n{code}\n\nclass Tests(unittest.TestCase):\n    def test(self):\n"
        f"        self.assertEqual({name}(1), 7)\n\n\nunittest.main()\n"
    ),
}
