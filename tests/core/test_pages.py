"""Pages in two languages have the same in them: README, and the help of every node."""

from pathlib import Path

import pytest

from .pages import sections

ROOT = Path(__file__).resolve().parents[2]
HELP = ROOT / "nodes" / "web" / "docs"
LANGUAGES = sorted(folder.name for folder in (ROOT / "locales").iterdir() if folder.name != "en")
README = sections((ROOT / "README.md").read_text())


def english_help():
    return sorted(file.stem for file in HELP.glob("*.md"))


def differences(ours, theirs):
    """Where the second page has other things in it, section by section."""
    assert [s.level for s in theirs] == [s.level for s in ours], "other headings"
    found = []
    for k, (one, other) in enumerate(zip(ours, theirs)):
        for what, wanted in vars(one).items():
            here = vars(other)[what]
            if here != wanted and what in ("names", "figures"):
                lacks, more = set(wanted - here), set(here - wanted)
                found.append(f"section {k}, {what}: {lacks} missing, {more} too many")
            elif here != wanted:
                found.append(f"section {k}, {what}: {here} instead of {wanted}")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readme_of_another_language_follows(language):
    theirs = (ROOT / f"README.{language}.md").read_text()
    assert not differences(README, sections(theirs))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_help_page_is_there_in_every_language(language):
    assert sorted(file.parent.name for file in HELP.glob(f"*/{language}.md")) == english_help()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", english_help())
def test_a_help_page_of_another_language_follows(node, language):
    ours, theirs = (HELP / f"{node}.md").read_text(), (HELP / node / f"{language}.md").read_text()
    assert not differences(sections(ours), sections(theirs))
    assert theirs.splitlines()[0] != ours.splitlines()[0]
