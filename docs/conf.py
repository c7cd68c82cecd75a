"""Configuration of the documentation; Sphinx alone builds it, from the checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "pyvolume"
author = "The pyvolume developers"
copyright = "The pyvolume developers"  # noqa: A001 - Sphinx's name

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
python_maximum_signature_line_length = 88
toc_object_entries = False
highlight_language = "none"

html_theme = "alabaster"
html_static_path = ["_static"]
html_css_files = ["pyvolume.css"]
html_title = "pyvolume"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    "description": "A huge volume on a server as if it were a numpy array",
    "fixed_sidebar": True,
    "page_width": "72rem",
    "sidebar_width": "15rem",
    "show_relbars": False,
    "show_powered_by": False,
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
