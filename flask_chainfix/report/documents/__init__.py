"""Results as documents: Markdown, and the page of the command ``graph``."""
