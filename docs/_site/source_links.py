"""A MkDocs hook for links from a page to a file outside of docs/, which only a code host shows."""

import re


def on_page_markdown(markdown, page, config, files):
    """Points them to the repository if mkdocs.yml has its `repo_url`; else only the text stays."""
    up = '../' * (page.file.src_uri.count('/') + 1)
    target = rf'\[([^\]]+)\]\({re.escape(up)}([^).][^)]*)\)'
    if config.repo_url:
        return re.sub(target, rf'[\1]({config.repo_url.rstrip("/")}/blob/main/\2)', markdown)
    return re.sub(target, r'\1', markdown)
