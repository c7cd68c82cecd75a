"""Configuration of the documentation. The extra `docs` lists what builds it; nothing is downloaded."""

import itertools
import re
import sys
from pathlib import Path

from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "pyvolume"
author = "The pyvolume developers"
copyright = "The pyvolume developers"  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autosummary_generate = False
python_maximum_signature_line_length = 88
toc_object_entries = False
highlight_language = "none"
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = "pyvolume"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "pyvolume"},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "article_header_start": ["breadcrumbs"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "installation", "genindex", "py-modindex", "search")}


def setup(app):
    """Show signatures, paths and links as a reader wants them."""
    app.connect("autodoc-process-signature", _signature)
    app.connect("html-page-context", _let_paths_break)
    app.connect("missing-reference", _find_short_name)
    app.add_post_transform(_NearestName)


def _signature(*event):
    """Hide the parameters of a Protocol, which nobody calls, and show defaults as they are written."""
    signature = event[5]
    if signature == "(*args, **kwargs)":
        return "", None
    signature = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", signature or "")
    signature = re.sub(r"<function [\w.]+<lambda>>", "...", signature).replace("<factory>", "{}")
    return (signature, event[6]) if signature else None


def _let_paths_break(*event):
    """Break a long path after a slash, in preference to any other character."""
    context = event[3]
    paths = re.compile(r'(?<=<span class="pre">)[^<]*/[^<]*')
    context["body"] = paths.sub(lambda path: re.sub(r"(?<=[^/])/(?=[^/])", "/<wbr>", path[0]), context.get("body", ""))


def _find_short_name(app, env, node, content):
    """Link a class that a docstring names without its module, or a method of this class."""
    name, python = node["reftarget"], env.get_domain("py")
    if node.get("refdomain") != "py" or not name[:1].isupper():
        return None
    full = min((each for each in python.objects if each.endswith(f".{name}")), key=len, default="")
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, content) if full else None


class _NearestName(SphinxPostTransform):
    """Link a class that several protocols have, such as ``Version``, to that of the module that names it; no words."""

    default_priority = 5  # before Sphinx resolves references

    def run(self, **_):
        objects = self.env.get_domain("py").objects
        for node in list(self.document.findall(pending_xref)):
            name, module = node.get("reftarget", ""), node.get("py:module") or ""
            found = [each for each in objects if node.get("refdomain") == "py" and each.endswith(f".{name}")]
            if found and node.get("reftype") == "class" and name.islower():
                node.replace_self(node.children)  # a word in the type of a parameter, such as "path", is no property
            elif len(found) > 1 and node.get("refspecific") and name[:1].isupper():
                node["reftarget"] = max(found, key=lambda each: (_shared(each, module), -len(each)))


def _shared(name, module):
    """Count the parts with which a name and a module both begin."""
    pairs = zip(name.split("."), module.split("."), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
