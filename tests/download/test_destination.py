from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, DestinationExistsError
from impact_jobs._download.destination import check_target, suggested_name


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "report.csv"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestSuggestedName:
    @pytest.mark.parametrize(
        ("header", "name"),
        [
            ('attachment; filename="report.csv"', "report.csv"),
            ("attachment; filename=report.csv", "report.csv"),
            ("ATTACHMENT;FILENAME = report.csv ; size=5", "report.csv"),
            ('attachment; filename="two words; and.csv"', "two words; and.csv"),
            (r'attachment; filename="a\"b.csv"', "a_b.csv"),
            ('attachment; filename="b\u00e4r.csv"', "b\u00e4r.csv"),
            ('inline; filename=" . .report.csv . "', "report.csv ."),
            # RFC 5987, which takes precedence in either order
            ("attachment; filename*=UTF-8''%e2%82%ac%20rates.csv", "\u20ac rates.csv"),
            ("attachment; filename*=utf-8'en'a%2Fb.csv; filename=plain.csv", "b.csv"),
            ("attachment; filename=plain.csv; filename*=ISO-8859-1''b%e4r.csv", "b\u00e4r.csv"),
            ("attachment; filename*=\"UTF-8''quoted.csv\"", "quoted.csv"),
            ("attachment; filename*=''bare.csv", "bare.csv"),
            ("attachment; filename*=UTF-8''%ff%fe.csv", "\ufffd\ufffd.csv"),
            # … unless it is not valid: then the plain name is used
            ("attachment; filename*=report.csv; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=UTF-8'report.csv; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=UTF-8''; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=UTF-8''%2e%2e; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=nope''a%41; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=undefined''a%41; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=unicode_escape''%5Cq%5Cud800; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=utf-7''%41+2AA-; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=hex''%41; filename=plain.csv", "plain.csv"),
            ("attachment; filename*=\0''%41; filename=plain.csv", "plain.csv"),
            # text in the quotes of another parameter is not a parameter
            ("attachment; filename=\"a.csv; filename*=UTF-8''evil.sh\"", "a.csv; filename_=UTF-8''evil.sh"),
        ],
    )
    def test_the_name_is_parsed(self, header: str, name: str) -> None:
        assert suggested_name(header) == name

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("../../etc/passwd", "passwd"),
            ("/etc/cron.d/job", "job"),
            ("..\\..\\system32\\evil.dll", "evil.dll"),
            ("C:\\Users\\me\\report.csv", "report.csv"),
            ("C:report.csv", "report.csv"),
            ("\\\\server\\share\\report.csv", "report.csv"),
            ("a/b/", "b"),
            (".bashrc", "bashrc"),
            ("...hidden", "hidden"),
            ("\t.\u00a0.ssh", "_.\u00a0.ssh"),
            ("rep\0ort.csv", "rep_ort.csv"),
            ("a\r\nSet-Cookie: x.csv", "a__Set-Cookie_ x.csv"),
            ("\x1b[2Jx\x7f\x85\x9b.csv", "_[2Jx___.csv"),
            ('<a|b>:"c?*.csv', "_a_b___c__.csv"),
            ("x" * 400 + ".csv", "x" * 196 + ".csv"),
            ("\u00e9" * 400 + ".csv", "\u00e9" * 98 + ".csv"),
            ("a." + "b" * 400, "a." + "b" * 198),
            ("a" * 400 + "." + "b" * 19, "a" * 180 + "." + "b" * 19),
            ("a" * 400 + "." + "b" * 20, "a" * 200),
            ("\U0001f4c8" * 400, "\U0001f4c8" * 50),
            ("x" * 195 + "\u20ac" * 9 + ".csv.gz", "x" * 195 + ".gz"),  # not cut inside a character: € is three bytes
        ],
    )
    def test_a_name_is_made_safe(self, written: str, name: str) -> None:
        quoted = written.replace('"', r"\"")
        assert suggested_name(f'attachment; filename="{quoted}"') == name

    @pytest.mark.parametrize(
        "written", ["", ".", "..", "...", ". .", ". ..", "   ", "\u00a0.", "/", "//", "\\", "a/..", "C:", "C:\\"]
    )
    def test_a_name_with_no_safe_character_is_none(self, written: str) -> None:
        assert suggested_name(f'attachment; filename="{written}"') is None
        assert suggested_name(f"attachment; filename={written}") is None

    @pytest.mark.parametrize("header", [None, "", "attachment", "report.csv", "filename=report.csv", "a; name=x", ";;"])
    def test_a_header_without_a_name_is_none(self, header: str | None) -> None:
        assert suggested_name(header) is None

    @given(
        st.text()
        | st.text(alphabet="./\\ \"%':;*=CU\0\ud800\u00e9\U0001f4c8", max_size=20)
        | st.text(alphabet="./ \u00e9\u20acx", min_size=150, max_size=500),
        st.sampled_from(['; filename="{}"', "; filename={}", "; filename*=UTF-8''{}", "; filename*={}", "{}"]),
    )
    @example("; filename*=utf-8''%2e%20%2e", "{}")
    def test_every_header_gives_a_safe_name_or_none(self, text: str, form: str) -> None:
        name = suggested_name("attachment" + form.format(text))
        if name is None:
            return
        assert name not in {"", ".", ".."}
        assert not set(name) & set('/\\\0\r\n:*?"<>|')
        assert not name.startswith((".", " "))
        assert len(os.fsencode(name)) <= 200
        assert Path("/folder", name).parent == Path("/folder")
        assert Path("/folder", name).name == name


class TestCheckTarget:
    def test_a_new_file_and_an_existing_folder_are_accepted(self, target: Path) -> None:
        for overwrite in (False, True):
            check_target(target, overwrite=overwrite)
            check_target(target.parent, overwrite=overwrite)
        assert names_in(target.parent) == [], "the check leaves nothing behind"

    def test_an_existing_file_needs_overwrite(self, target: Path) -> None:
        target.write_bytes(b"old")
        check_target(target, overwrite=True)
        with pytest.raises(DestinationExistsError, match=r"report\.csv' exists: pass overwrite=True"):
            check_target(target, overwrite=False)

    def test_a_link_to_a_folder_is_accepted(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        check_target(tmp_path / "link", overwrite=False)
        check_target(tmp_path / "link" / "report.csv", overwrite=False)

    @pytest.mark.parametrize("above", ["missing", "file", "n" * 300])
    def test_a_missing_folder_is_refused(self, above: str, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="does not exist: create it first"):
            check_target(tmp_path / above / "report.csv", overwrite=True)

    @pytest.mark.parametrize("missing", [os.W_OK, os.X_OK])
    def test_a_folder_without_permissions_is_refused(
        self, missing: int, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda _, mode: not mode & missing)  # because root has every permission
        for path in (target, target.parent):
            with pytest.raises(ConfigurationError, match="is not writable: choose another"):
                check_target(path, overwrite=True)

    def test_a_folder_that_cannot_be_searched_is_refused(self, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Any, **_: Any) -> os.stat_result:
            if Path(path) == target:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        real = os.stat
        monkeypatch.setattr(os, "stat", refuse)
        with pytest.raises(ConfigurationError, match=r"could not be examined \(Permission denied\): check its folder"):
            check_target(target, overwrite=True)

    def test_a_target_that_is_not_a_regular_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "dangling").symlink_to("nowhere")
        (tmp_path / "loop").symlink_to("loop")
        os.mkfifo(tmp_path / "pipe")
        for path in (*(tmp_path / name for name in ("link", "dangling", "loop", "pipe")), Path("/dev/null")):
            for overwrite in (False, True):
                with pytest.raises(ConfigurationError, match="is not a regular file"):
                    check_target(path, overwrite=overwrite)

    def test_a_name_too_long_for_the_suffix_of_the_part_is_refused(self, tmp_path: Path) -> None:
        check_target(tmp_path / ("x" * 240), overwrite=False)
        (tmp_path / ("x" * 240 + ".part")).touch()
        for name in ("x" * 241, "\u00e9" * 126, "x" * 5000):
            with pytest.raises(ConfigurationError, match="too long: 240 bytes at most"):
                check_target(tmp_path / name, overwrite=False)


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("a\u202evsc.exe", "a_vsc.exe"),
        ("a\u2028b\u200b.csv", "a_b_.csv"),
        ("x" * 199 + " " * 9 + "y", "x" * 199),
    ],
)
def test_misleading_characters_and_trailing_blanks_are_removed(stated: str, name: str) -> None:
    assert suggested_name(f'attachment; filename="{stated}"') == name
