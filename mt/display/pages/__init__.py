"""HTML pages: templates and how they are filled in."""
