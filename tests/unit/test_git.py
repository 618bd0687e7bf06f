from __future__ import annotations

import pytest

from automation.sync.git import GitError, without_credentials


@pytest.mark.parametrize(
    ("said", "damaged", "index_damaged"),
    [
        ("fatal: loose object 5626abf (stored in .git/objects/56/26abf) is corrupt", True, False),
        ("error: object file .git/objects/56/26abf is empty", True, False),
        ("error: packfile .git/objects/pack/pack-1.pack does not match index", True, False),
        ("error: index file .git/objects/pack/pack-1.idx is too small", True, False),
        ("fatal: bad object refs/heads/main\nerror: origin did not send all necessary objects", True, False),
        ("error: bad signature 0x00000000\nfatal: index file corrupt", False, True),
        ("fatal: .git/index: index file smaller than expected", False, True),
        ("fatal: unable to connect to 127.0.0.1", False, False),
        ("fatal: Could not read from remote repository.", False, False),
        ("fatal: 'origin' does not appear to be a git repository", False, False),
        ("fatal: couldn't find remote ref refs/heads/main", False, False),
        ("remote: fatal: loose object 5626abf is corrupt\nfatal: early EOF", False, False),
        (
            "error: object file .git/objects/56/26abf is empty\nfatal: write error: No space left on device",
            False,
            False,
        ),
        ("error: unable to open .git/objects/pack/pack-1.pack: Permission denied", False, False),
        ("", False, False),
    ],
)
def test_damage_on_this_disk_is_told_from_all_other_trouble(said: str, damaged: bool, index_damaged: bool) -> None:
    error = GitError("git fetch: …", said)
    assert (error.damaged, error.index_damaged) == (damaged, index_damaged)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "fatal: unable to access 'https://deploy:hunter2@host/x.git/'",
            "fatal: unable to access 'https://host/x.git/'",
        ),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git@host/x and http://a:b@c", "ssh://host/x and http://c"),
        ("mail someone@example.org about file:///srv/x", "mail someone@example.org about file:///srv/x"),
    ],
)
def test_urls_lose_user_and_password(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
