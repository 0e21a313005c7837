"""How the documentation is built: `make docs` writes the site to build/docs and fails on the first dead link."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "extensions")]

project = "DARTS ensemble"
author = "the DARTS ensemble contributors"
project_copyright = "Apache-2.0"
version = release = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton",
    "repository_pages", "command_help", "python_reference", "no_external_request",
]  # fmt: skip
exclude_patterns = ["extensions"]

# Markdown. Notebooks are shown as they are; the tests run them.
myst_enable_extensions = ["deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "off"
# A field such as `path` is a field of several classes: its name in a docstring is then no link.
suppress_warnings = ["ref.python"]

# The Python reference.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = ["triton"]
napoleon_google_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 100

# The pages. Furo brings its fonts and scripts along, so the site works without a network.
html_theme = "furo"
html_title = f"DARTS ensemble {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
# Two hyphens of an option stay two hyphens.
smartquotes = False
html_show_sourcelink = False
html_copy_source = False
copybutton_prompt_text = "$ "
