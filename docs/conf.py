"""How the documentation is built: MyST pages, warnings are errors, nothing is loaded from elsewhere."""

project = "Thecal"
author = "The Thecal authors"
copyright = "The Thecal authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Thecal"
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"
