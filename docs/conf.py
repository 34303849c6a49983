"""How Sphinx builds the documentation."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

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


QUOTED = re.compile(r"``[^`]+``|`[^`]+`(?P<ending>\w)?")


def separate_plurals(_app, _what, _name, _object, _options, lines):
    """Let a docstring write a plural as `Rule`s, which reStructuredText takes for a quote that goes on."""
    lines[:] = [QUOTED.sub(_separated, line) for line in lines]


def _separated(quoted):
    if quoted["ending"] is None:
        return quoted[0]
    return f"{quoted[0][:-1]}\\ {quoted['ending']}"


def setup(app):
    """Connect what this file adds."""
    app.connect("autodoc-process-docstring", separate_plurals)
