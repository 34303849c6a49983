"""How Sphinx builds the documentation."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.addnodes import pending_xref

project = "modernmail"
author = "The modernmail founders"
copyright = "The modernmail founders"
release = version = installed_version("modernmail")

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions = ["commands", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "how-to/_*.md", "_ext"]
default_role = "code"  # docstrings write `name`

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 100
autodoc_default_options = {"members": True}

html_theme = "furo"
html_title = f"modernmail {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_search_scorer = str(Path(__file__).parent / "_ext" / "scorer.js")


QUOTED = re.compile(r"``[^`]+``|`[^`]+`(?P<ending>\w)?")


def separate_plurals(_app, _what, _name, _object, _options, lines):
    """Let a docstring write a plural as `Rule`s, which reStructuredText takes for a quote that goes on."""
    lines[:] = [QUOTED.sub(_separated, line) for line in lines]


def _separated(quoted):
    if quoted["ending"] is None:
        return quoted[0]
    return f"{quoted[0][:-1]}\\ {quoted['ending']}"


# What type checkers know by these names, which a signature would link to a class of the same name elsewhere, or to nothing.
ALIASES = {
    "AttachedContent": "modernmail.parts.AttachedContent",
    "AttachmentLike": "modernmail.message.AttachmentLike",
    "Mailbox": "modernmail.message.Mailbox",
    "Mailboxes": "modernmail.message.Mailboxes",
    "Row": "modernmail.merge.Row",
    "Rows": "modernmail.merge.Rows",
}


def link_aliases(_app, doctree):
    """Let signatures lead to what an argument takes; what reads mail has a `Mailbox` of its own."""
    for reference in doctree.findall(pending_xref):
        if reference["reftarget"] not in ALIASES or reference["refdomain"] != "py":
            continue
        module = reference.get("py:module") or ""
        if reference["reftarget"] == "Mailbox" and module.startswith(
            ("modernmail.reading", "modernmail.testing")
        ):
            reference["reftarget"] = "modernmail.reading.Mailbox"
        else:
            reference["reftype"], reference["reftarget"] = "type", ALIASES[reference["reftarget"]]


def setup(app):
    """Connect what this file adds."""
    app.connect("doctree-read", link_aliases)
    app.connect("autodoc-process-docstring", separate_plurals)
