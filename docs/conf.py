"""How Sphinx builds the documentation."""

from importlib.metadata import version as installed_version

project = "modernmail"
author = "The modernmail founders"
copyright = "The modernmail founders"
release = version = installed_version("modernmail")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
default_role = "code"  # docstrings write `name`

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = f"modernmail {release}"
html_copy_source = False
