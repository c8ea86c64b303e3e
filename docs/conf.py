"""The site's settings: python -m sphinx -W --keep-going -b html docs site

Nothing is fetched while the site is built, and a page of the site fetches nothing from elsewhere.
"""

import configparser
import os
import sys
from pathlib import Path

os.environ.setdefault("NPGAN_KERNELS", "reference")  # nothing here is worth compiling for

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]  # this checkout, whatever else is installed

import npgan  # noqa: E402

setup_cfg = configparser.ConfigParser()
setup_cfg.read(ROOT / "setup.cfg", encoding="utf-8")

project = "npgan"
author = "the npgan developers"
project_copyright = "the npgan developers"
version = release = npgan.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "examples",
    "live",
    "notebooks",
    "reference",
    "repository",
]
root_doc = "index"
exclude_patterns = ["_build", "_data", "_ext", "Thumbs.db", ".DS_Store"]
nitpicky = True
smartquotes = False  # "r1" is what is typed
default_role = "code"  # `x` in a docstring is code
pygments_style = "default"

# Pages in Markdown
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4  # [text](page.md#heading), with a forge's names for the anchors

# Docstrings
autodoc_typehints = "none"  # the types stand under Parameters, in words
autodoc_member_order = "bysource"
autosummary_generate = False  # which numpydoc switches on; api/ has one page per module instead
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Own extensions
reference_names = {  # of modules without __all__: what is public besides npgan's own names
    "npgan.losses": [
        "Loss",
        "nonsaturating",
        "minimax",
        "least_squares",
        "hinge",
        "wasserstein",
        "relativistic",
    ],
    "npgan.ops": ["mean", "matmul", "softmax_cross_entropy"],
    "npgan.penalties": ["r1_and_r2"],
}
repository_url = setup_cfg["metadata"]["url"]
repository_pages = {
    "README.md": "getting-started",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
}
notebook_pages = ["first-step", "derivations", "gradcheck"]

# Output
html_theme = "pydata_sphinx_theme"
html_title = "npgan"
html_static_path = ["_static"]
html_css_files = ["npgan.css"]
html_favicon = "_static/logo.svg"
html_copy_source = False
html_show_sphinx = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "logo": {"text": "npgan", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "icon_links": [
        {"name": "Source code", "url": repository_url, "icon": "fa-solid fa-code-branch"}
    ],
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
