"""What the figures look like: Markdown and SVG."""
