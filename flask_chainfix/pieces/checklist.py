"""The checklist of a pull or merge request, a part of its template."""

from __future__ import annotations

from flask_chainfix.model.pieces import Call

_BEGIN = "<!-- fixchain: begin -->"


def text(call: Call, data: bytes) -> str:
    """The checklist."""
    return (
        f"{_BEGIN}\n"
        "### Migrations\n"
        "\n"
        "- [ ] `fixchain check` finds nothing, also with the target branch merged in\n"
        "- [ ] no migration of the target branch was edited, renamed or deleted\n"
        "- [ ] `upgrade` and `downgrade` were run on a scratch database (`rehearse`)\n"
        "<!-- fixchain: end -->\n"
    )


def is_there(data: bytes) -> bool:
    """Whether a template has it already."""
    return _BEGIN.encode() in data


def merged(data: bytes, text: str) -> bytes:
    """The template with the checklist at its end."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    gap = (b"" if data.endswith(b"\n") else end) + end if data else b""
    return data + gap + text.encode().replace(b"\n", end)
