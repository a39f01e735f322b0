"""The HTML that people see at the sandbox: plain pages, no script, everything escaped."""

from __future__ import annotations

from html import escape

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#172b4d}
main{max-width:36rem;margin:2rem auto;padding:2rem;background:#fff;border:1px solid #dfe1e6;
border-radius:8px}
.note{background:#fffae6;border:1px solid #ff991f;padding:.5rem 1rem;border-radius:4px}
fieldset{border:1px solid #dfe1e6;border-radius:4px;margin:1rem 0}label{display:block;
padding:.3rem 0}
small{color:#5e6c84;display:block;padding-left:1.7rem}button{font:inherit;padding:.5rem 1rem;
border:1px solid #0052cc;border-radius:4px;background:#fff;color:#0052cc;margin-right:.5rem}
button.primary{background:#0052cc;color:#fff}code{word-break:break-all}
@media(prefers-color-scheme:dark){body{background:#161a1d;color:#c7d1db}main{background:#22272b;
border-color:#454f59}.note{background:#533f04;border-color:#946f00}small{color:#9fadbc}
button{background:#22272b;color:#579dff;border-color:#579dff}
button.primary{background:#579dff;color:#161a1d}}
"""
NOTE = '<p class="note">This is the sandbox, not {}. Everybody and everything here is made up.</p>'


def page(title: str, content: str, product: str = "Bitbucket") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · {product} sandbox</title><style>{STYLE}</style></head>"
        f"<body><main>{NOTE.format(product)}{content}</main></body></html>"
    )


def refusal(title: str, message: str, product: str = "Bitbucket") -> str:
    return page(title, f"<h1>{escape(title)}</h1><p>{escape(message)}</p>", product)


def place(title: str, name: str, product: str = "Bitbucket") -> str:
    """What stands where the vendor would show a workspace or repository."""
    content = f"<h1>{escape(name)}</h1><p><code>{escape(title)}</code></p>"
    return page(title, content, product)
