"""For search engines: the first paragraph describes a page that has no description of its own."""

from html import escape

from docutils import nodes
from sphinx import addnodes


def setup(app):
    """Look at each page before it is written."""
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe(app, pagename, templatename, context, doctree):
    """Add the description; a note, as a gallery's pages begin with, is no description."""
    if doctree is None or 'name="description"' in context["metatags"]:
        return
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | addnodes.desc_content):
            text = escape(" ".join(paragraph.astext().split()))
            context["metatags"] += f'<meta name="description" content="{text}">\n'
            return
