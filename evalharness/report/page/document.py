"""The frame of this package's HTML pages: head, style sheets, scripts, and content security policy."""

from collections.abc import Sequence
from string import Template

FILE_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; img-src 'self' file: data:; "
    "base-uri 'none'; form-action 'none'"
)
"""The content security policy of pages that a browser opens from the disk. Drawings have inline styles."""
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 14C3 7 8 3 14 2' "
    "fill='none' stroke='%230072b2' stroke-width='2.5' stroke-linecap='round'/%3E%3Ccircle cx='9' cy='4.2' r='2.6' "
    "fill='%23d55e00'/%3E%3C/svg%3E"
)
FRAME = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
$policy<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<link rel="icon" href="$icon">
$styles
<script src="static/theme.js"></script>
</head>
<body>
$body
$scripts
</body>
</html>
""")


def make_html_document(
    title: str, body: str, style_sheets: Sequence[str], scripts: Sequence[str] = (), content_security_policy: str = ""
) -> str:
    """Returns an HTML page that loads style sheets and scripts, in this order, from the folder `static` beside it.

    theme.js comes first, so that the page never appears in the wrong colours. `content_security_policy` is the
    Content-Security-Policy of a page that is opened from the disk; a server sends the policy as a header instead.
    """
    return FRAME.substitute(
        policy=f'<meta http-equiv="Content-Security-Policy" content="{content_security_policy}">\n'
        if content_security_policy
        else "",
        title=title,
        icon=ICON,
        styles="\n".join(f'<link rel="stylesheet" href="static/{name}">' for name in style_sheets),
        body=body.strip(),
        scripts="\n".join(f'<script src="static/{name}"></script>' for name in scripts),
    )
