"""What the nodes say in other languages is what they say now."""

import asyncio
import os
import re

import pytest

from tools.locales import LOCALES, flat, read_locale, said, write_locale

NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def english(pack):
    extension = asyncio.run(pack("nodes").comfy_entrypoint())
    tree = said(node.define_schema() for node in asyncio.run(extension.get_node_list()))
    if os.environ.get("LOCALES"):  # `make locales`
        write_locale("en", tree)
    return tree


def test_english_is_what_the_nodes_say(english):
    now, then = flat(english), flat(read_locale("en"))
    changed = [line for line in sorted(now | then) if now.get(line) != then.get(line)]
    assert not changed, f"Translate these lines in locales/, then run `make locales`: {', '.join(changed)}"


def test_no_sign_of_it_means_something_to_the_frontend(english):
    """vue-i18n takes | for the plural, and {…} and @: for its own; some frontends read tooltips so."""
    assert not [line for line, words in flat(english).items() if re.search(r"[|{}]|@\w*:", words)]


@pytest.mark.parametrize("language", sorted(f.name for f in LOCALES.iterdir() if f.name != "en"))
def test_every_line_is_translated(english, language):
    ours, theirs = flat(english), flat(read_locale(language))
    assert sorted(ours) == sorted(theirs)
    for line, words in ours.items():
        assert theirs[line], line
        if not line.endswith("name"):
            assert theirs[line] != words, f"{line} is still English"
            found = sorted(set(NUMBER.findall(words)) - set(NUMBER.findall(theirs[line])))
            assert not found, f"{line} lacks the figures {found}"
