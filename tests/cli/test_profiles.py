"""Profiles: which one is used, how their file is protected, and that no message holds a token."""

from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, _private_file
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile, config_folder, load, remove, save, stored

TOKEN = "canary-token-6d1f"
ENVIRONMENT = {"IMPACT_ACCOUNT_SID": "IRenv", "IMPACT_AUTH_TOKEN": "env-token"}


def a_profile(name: str = "default", *, sid: str = "IR1", token: str = TOKEN, base_url: str | None = None) -> Profile:
    return Profile(name, sid, Secret(token), base_url)


def values_of(profile: Profile | None) -> tuple[str, str, str, str | None]:
    assert profile is not None
    return profile.name, profile.account_sid, profile.auth_token.reveal(), profile.base_url


def writing(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / "credentials.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def rejection(call: Callable[[], object]) -> str:
    """Return the message of the error, after checking that no part of its traceback holds the token."""
    with pytest.raises(ConfigurationError) as caught:
        call()
    formatted = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The test's own frames know the token.
    frames = [frame for frame in formatted.stack if "tests" not in Path(frame.filename).parts]
    assert TOKEN not in "".join(str(frame.locals) for frame in frames) + str(caught.value)
    assert caught.value.__context__ is None or TOKEN not in str(caught.value.__context__)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "impact-jobs"


def test_the_file_is_in_the_config_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_folder() == tmp_path / "impact-jobs"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("is_set", [True, False])
def test_the_config_folder_is_the_one_that_click_names(
    monkeypatch: pytest.MonkeyPatch, platform: str, *, is_set: bool
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("click.utils.WIN", platform == "win32")
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        if is_set:
            monkeypatch.setenv(variable, "/a/folder")
        else:
            monkeypatch.delenv(variable, raising=False)
    assert config_folder() == Path(click.get_app_dir("impact-jobs"))


def test_a_saved_profile_is_loaded_and_the_others_stay(folder: Path) -> None:
    save(a_profile(), folder=folder)
    save(a_profile("other", sid="IR2", token='"\\é😀', base_url="http://127.0.0.1:1"), folder=folder)
    save(a_profile(sid="IR3"), folder=folder)
    assert values_of(load("default", folder=folder, environ={})) == ("default", "IR3", TOKEN, None)
    assert values_of(load("other", folder=folder, environ={})) == ("other", "IR2", '"\\é😀', "http://127.0.0.1:1")
    remove("default", folder=folder)
    assert [profile.name for profile in stored(folder)] == ["other"]


printable = st.characters(codec="utf-8", exclude_categories=["Z", "C"])


@settings(max_examples=25)
@given(st.text(printable, min_size=1), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_any_token_and_name_survive_the_file(tmp_path_factory: pytest.TempPathFactory, token: str, name: str) -> None:
    folder = tmp_path_factory.mktemp("profiles")
    folder.chmod(0o700)
    save(a_profile(name, token=token), folder=folder)
    assert values_of(load(name, folder=folder, environ={})) == (name, "IR1", token, None)


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        (None, {}, "default"),
        (None, ENVIRONMENT, None),
        (None, {"IMPACT_ACCOUNT_SID": "IRenv"}, None),  # `from_env` reports the missing token
        ("other", ENVIRONMENT, "other"),
        (None, {"IMPACT_JOBS_PROFILE": "other"}, "other"),
        ("default", {"IMPACT_JOBS_PROFILE": "other"}, "default"),
        ("other", {"IMPACT_JOBS_PROFILE": "default"} | ENVIRONMENT, "other"),
        (None, {"IMPACT_JOBS_PROFILE": "", "IMPACT_ACCOUNT_SID": "", "IMPACT_AUTH_TOKEN": ""}, "default"),
    ],
)
def test_the_most_explicit_choice_wins(
    folder: Path, name: str | None, environ: dict[str, str], expected: str | None
) -> None:
    save(a_profile(), folder=folder)
    save(a_profile("other"), folder=folder)
    found = load(name, folder=folder, environ=environ)
    assert (found.name if found else None) == expected


def test_a_profile_and_credentials_in_one_environment_are_rejected(folder: Path) -> None:
    save(a_profile("other"), folder=folder)
    environ = ENVIRONMENT | {"IMPACT_JOBS_PROFILE": "other"}
    assert "unset one" in rejection(lambda: load(None, folder=folder, environ=environ))


def test_no_profile_is_loaded_without_a_file_or_a_default(folder: Path) -> None:
    assert load(None, folder=folder, environ={}) is None
    assert load(None, folder=Path(os.devnull), environ={}) is None
    save(a_profile("other"), folder=folder)
    assert load(None, folder=folder, environ={}) is None


def test_an_unknown_profile_is_reported_with_the_known_ones(folder: Path) -> None:
    save(a_profile("b"), folder=folder)
    save(a_profile("a"), folder=folder)
    text = rejection(lambda: load("c", folder=folder, environ={}))
    assert "no profile 'c' (it has: a, b)" in text
    assert "profile add" in text
    assert "no profile 'c'" in rejection(lambda: remove("c", folder=folder))


def test_nothing_shows_the_token(folder: Path) -> None:
    file = save(a_profile(), folder=folder)
    assert TOKEN not in repr(load(None, folder=folder, environ={})) + repr(stored(folder))
    assert TOKEN in file.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_file_that_others_can_use_is_rejected_with_a_remedy(folder: Path, mode: int) -> None:
    file = save(a_profile(), folder=folder)
    file.chmod(mode)
    assert f"run `chmod 600 {file}`" in rejection(lambda: load(None, folder=folder, environ={}))
    file.chmod(0o600)
    assert load(None, folder=folder, environ={})


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_to_is_rejected_with_a_remedy(folder: Path, mode: int) -> None:
    save(a_profile(), folder=folder)
    folder.chmod(mode)
    for call in (
        lambda: load(None, folder=folder, environ={}),
        lambda: save(a_profile(), folder=folder),
    ):
        assert f"run `chmod go-w {folder}`" in rejection(call)


def test_the_target_folder_of_a_link_is_checked_too(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "it's elsewhere"
    save(a_profile(), folder=elsewhere)
    folder.mkdir(mode=0o700)
    (folder / "credentials.toml").symlink_to(elsewhere / "credentials.toml")
    assert load(None, folder=folder, environ={})
    elsewhere.chmod(0o777)
    text = rejection(lambda: load(None, folder=folder, environ={}))
    assert """chmod go-w '""" in text
    assert "elsewhere" in text


def test_saving_through_a_link_keeps_the_link(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    save(a_profile(), folder=elsewhere)
    folder.mkdir(mode=0o700)
    (folder / "credentials.toml").symlink_to(elsewhere / "credentials.toml")
    save(a_profile("other"), folder=folder)
    assert (folder / "credentials.toml").is_symlink()
    assert [profile.name for profile in stored(elsewhere)] == ["default", "other"]


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_files_and_folders_of_other_users_are_rejected(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    save(a_profile(), folder=elsewhere)
    folder.mkdir(mode=0o700)
    file = folder / "credentials.toml"
    file.symlink_to(elsewhere / "credentials.toml")
    if what == "file":  # because a file must belong to the user even if root owns it
        monkeypatch.setattr(_private_file, "unsafe_path", lambda _: None)
    if what == "folder":
        file.unlink()
        file.write_text("")
    stranger = os.geteuid() + 1
    look = Path.stat
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    # Folders of root are trusted, so pretend that they belong to a third user. (`lstat` calls `stat`.)
    monkeypatch.setattr(Path, "stat", lambda path, **options: _of_another(look(path, **options)))
    assert {"file": "belongs to another user", "folder": "who could swap", "link": "is a link"}[what] in rejection(
        lambda: load("default", folder=folder, environ={})
    )


def _of_another(found: os.stat_result) -> os.stat_result:
    values = list(found)
    values[stat.ST_UID] = 12_345
    return os.stat_result(values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[default]\nauth_token = "{TOKEN}', "is not TOML"),
        (f"[default]\nauth_token {TOKEN}", "is not TOML at line 2"),
        (f"{TOKEN}", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        ('[default]\nauth_token = "\udcff"', "is not TOML"),
        (f'auth_token = "{TOKEN}"', "'auth_token' is outside any profile"),
        (f'[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}"\ntoken = 1', "unknown 'token'"),
        (f'[default]\naccount_sid = "IR1"\n{TOKEN} = 1', "unknown a key that is not a plain word"),
        ('[default]\naccount_sid = "IR1"', "profile 'default': auth_token is missing"),
        (f'[default]\nauth_token = "{TOKEN}"', "profile 'default': account_sid is missing"),
        ('[default]\naccount_sid = "IR1"\nauth_token = 1', "auth_token is not a string"),
        (f'[default]\naccount_sid = "{TOKEN} "\nauth_token = "IR1"', "is not an Account SID"),
        (f'[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}\\n"', "white space"),
        (f'[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}"\naccount_kind = "brnd"', "mean 'brand'"),
        (f'[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}"\nbase_url = "http://a.example"', "in clear"),
        (f'[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}"\nbase_url = "https://u:{TOKEN}@a.b"', "credentials"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_reported_without_its_content(folder: Path, text: str, says: str) -> None:
    folder.mkdir(mode=0o700)
    file = folder / "credentials.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    file.chmod(0o600)
    for call in (
        lambda: load("default", folder=folder, environ={}),
        lambda: save(a_profile("other"), folder=folder),  # it would lose what cannot be parsed
    ):
        found = rejection(call)
        assert str(file) in found
        assert says in found
    assert file.read_bytes() == text.encode(errors="surrogateescape")


def test_a_broken_profile_does_not_break_the_others(folder: Path) -> None:
    writing(folder, f'[broken]\n[default]\naccount_sid = "IR1"\nauth_token = "{TOKEN}"\n')
    assert values_of(load("default", folder=folder, environ={}))[1] == "IR1"


@pytest.mark.parametrize("name", ["", "a b", "a.b", "[", "é", "x" * 65, "a\n"])
def test_a_name_that_toml_would_have_to_quote_is_rejected(folder: Path, name: str) -> None:
    assert "is not a valid profile name" in rejection(lambda: save(a_profile(name), folder=folder))


def test_the_file_is_never_readable_by_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for a moment under a permissive umask."""
    modes = []
    replace = Path.replace

    def spy(made: Path, target: Path) -> Path:
        modes.append(stat.S_IMODE(made.stat().st_mode))
        return replace(made, target)

    monkeypatch.setattr(Path, "replace", spy)
    monkeypatch.setattr(os, "fchmod", None)
    before = os.umask(0)
    try:
        file = save(a_profile(), folder=folder)
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_failed_write_leaves_only_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(a_profile(), folder=folder)
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in rejection(lambda: save(a_profile("other"), folder=folder))
    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["credentials.toml"]


def test_profiles_saved_at_the_same_time_are_all_kept(folder: Path) -> None:
    names = [f"p{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: save(a_profile(name), folder=folder), names))
    assert sorted(profile.name for profile in stored(folder)) == sorted(names)


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in rejection(lambda: save(a_profile(), folder=tmp_path / "file" / "below"))


def test_a_relative_folder_is_rejected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("~/.config/impact-jobs")  # as it is without a home
    for call in (lambda: save(a_profile(), folder=folder), lambda: load(None, folder=folder, environ={})):
        assert "set HOME" in rejection(call)
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_rejected(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "credentials.toml").symlink_to(os.devnull)
    assert "not a regular file" in rejection(lambda: load(None, folder=folder, environ={}))


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_pipe_is_rejected_and_not_waited_for(folder: Path, tmp_path: Path, *, is_linked: bool) -> None:
    folder.mkdir(mode=0o700)
    pipe = tmp_path / "pipe" if is_linked else folder / "credentials.toml"
    os.mkfifo(pipe, 0o600)
    if is_linked:
        (folder / "credentials.toml").symlink_to(pipe)
    for call in (lambda: load(None, folder=folder, environ={}), lambda: save(a_profile(), folder=folder)):
        assert "not a regular file" in rejection(call)
