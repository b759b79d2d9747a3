from __future__ import annotations

import copy
import logging
import pickle
import threading
import time

import pytest
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st
from impact_jobs._redaction import Secret, redact, redact_http_logs, secret_url, shorten

SECRET = "canary-77aa"
# Characters that a query may contain without ending the URL, apostrophes included.
query_texts = st.text(st.characters(exclude_characters='"<>', exclude_categories=["Z", "C"]))


class TestSecret:
    def test_only_reveal_returns_the_text(self) -> None:
        @frozen
        class Holder:
            secret: Secret

        secret = Secret(SECRET)
        assert secret.reveal() == SECRET
        percent = "%s %r" % (secret, secret)  # noqa: UP031 - as log records are formatted
        shown = [f"{secret}", f"{secret!r}", f"{secret!s}", percent, repr([secret]), repr(Holder(secret))]
        assert [text for text in shown if SECRET in text or "***" not in text] == []
        assert str(Secret(SECRET, shown="https://x?***")) == "https://x?***"

    def test_it_has_no_attributes_to_print(self) -> None:
        with pytest.raises(TypeError):
            vars(Secret(SECRET))

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_it_is_not_pickled(self, protocol: int) -> None:
        with pytest.raises(TypeError, match="create the client anew"):
            pickle.dumps({"holder": [Secret(SECRET)]}, protocol=protocol)

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_it_is_not_copied(self, copied: type[object]) -> None:
        with pytest.raises(TypeError):
            copied(Secret(SECRET))  # type: ignore[call-arg]


class TestRedact:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("", ""),
            ("nothing to hide", "nothing to hide"),
            ("Really? Yes?", "Really? Yes?"),
            (f"/Jobs?sig={SECRET}", "/Jobs?***"),
            (f"https://s.example/a?x=1&sig={SECRET} (302)", "https://s.example/a?*** (302)"),
            (f'GET "https://s.example/a?sig={SECRET}" 200', 'GET "https://s.example/a?***" 200'),
            (f"<Url>https://s.example/a?sig={SECRET}</Url>", "<Url>https://s.example/a?***</Url>"),
            (f"https://s.example/a?f='b.csv'&sig={SECRET}", "https://s.example/a?***"),
            (f"https://s.example?a?b?{SECRET}", "https://s.example?***"),
            (f"https://s.example/?\u00e9{SECRET}", "https://s.example/?***"),
            (f"https://user:{SECRET}@s.example/a", "https://***@s.example/a"),
            (f"https://{SECRET}@s.example", "https://***@s.example"),
            (f"https://user:a@{SECRET}@s.example", "https://***@s.example"),
            (f"https://user:a/{SECRET}@s.example", "https://***@s.example"),
            (f"https://user:a'{SECRET}@s.example", "https://***@s.example"),
            (f"//user:{SECRET}@s.example?{SECRET} and //{SECRET}@t.example", "//***@s.example?*** and //***@t.example"),
            (f"IRabc:{SECRET}@s.example/a", "***@s.example/a"),
            (f'"RestAccountURL": "IRabc:{SECRET}/b@c@s.example"', '"RestAccountURL": "***@s.example"'),
            ("at 10:30 me@s.example wrote: hello", "at 10:30 me@s.example wrote: hello"),
            ("https://s.example/a, write to me@s.example", "https://s.example/a, write to me@s.example"),
        ],
    )
    def test_queries_and_credentials_are_redacted_and_the_rest_is_kept(self, text: str, shown: str) -> None:
        assert redact(text) == shown
        assert redact(shown) == shown, "redacting twice changes nothing"

    @given(st.text("?*:;,.) a/&="))
    @example("GET /Jobs?a=1: refused")
    def test_redacting_twice_changes_nothing(self, text: str) -> None:
        assert redact(redact(text + "?a=1: reason")) == redact(text + "?a=1: reason")

    @given(st.text(), query_texts, query_texts)
    @example("", "'", "")
    def test_the_query_of_a_url_is_redacted(self, before: str, start: str, end: str) -> None:
        assert SECRET not in redact(f"{before} https://s.example/a?{start}{SECRET}{end}")

    @given(st.text(st.characters(exclude_characters='"<>?', exclude_categories=["Z", "C"])))
    def test_the_credentials_of_a_url_are_redacted(self, password: str) -> None:
        assert SECRET not in redact(f"see https://user:{SECRET}{password}@s.example/a")

    @pytest.mark.parametrize(
        "text", ["/" * 300_000, "//a" * 100_000, "?" * 300_000, "@" * 300_000, "//@" * 100_000, "a:" * 100_000]
    )
    def test_redacting_takes_linear_time(self, text: str) -> None:
        started = time.process_time()
        redact(text)
        assert time.process_time() - started < 2, "it takes some milliseconds"


class TestSecretUrl:
    @given(st.text(), st.text())
    def test_the_query_is_not_shown_whatever_it_contains(self, start: str, end: str) -> None:
        """The URL is the whole text, so spaces and quotes do not end its query."""
        url = f"https://s.example/a?{start}{SECRET}{end}"
        assert secret_url(url).reveal() == url
        assert str(secret_url(url)) == "https://s.example/a?***"

    def test_a_url_without_secrets_is_shown_completely(self) -> None:
        assert str(secret_url("https://s.example:8443/a b#c")) == "https://s.example:8443/a b#c"
        assert str(secret_url(f"https://u:{SECRET}@s.example/a")) == "https://***@s.example/a"


class TestRedactHttpLogs:
    @pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2"])
    def test_queries_are_redacted_inside_the_block_only(self, name: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        url = f"https://s.example/a?sig={SECRET}"
        with redact_http_logs():
            logging.getLogger(name).info('HTTP Request: %s %s "%s"', "GET", url, "HTTP/1.1 200 OK")
        logging.getLogger(name).info("HTTP Request: %s %s", "GET", url)
        assert caplog.messages == [
            'HTTP Request: GET https://s.example/a?*** "HTTP/1.1 200 OK"',
            f"HTTP Request: GET https://s.example/a?sig={SECRET}",
        ]
        assert SECRET not in str(vars(caplog.records[0]))

    @pytest.mark.parametrize(
        "location",
        [
            f"https://s.example/a?sig={SECRET}",
            f"https://s.example/a?f='b c'&sig={SECRET}",
            f'https://s.example/a?f="b c"&sig={SECRET}',
            f'https://s.example/a?f="b\'c\\"&sig={SECRET}',
        ],
    )
    @pytest.mark.parametrize("field", [b"Location", b"location"])
    def test_the_location_in_the_debug_line_of_httpcore_is_redacted(
        self, field: bytes, location: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        headers = [(field, location.encode()), (b"Content-Length", b"0")]
        with redact_http_logs():
            logging.getLogger("httpcore.http11").debug("receive_response_headers.complete return_value=%r", headers)
        assert SECRET not in caplog.text
        assert "(b'Content-Length', b'0')" in caplog.text

    def test_headers_in_the_log_of_http2_are_redacted(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        headers = [(b":status", b"302"), (b"location", f"https://s.example/a?sig={SECRET}".encode())]
        with redact_http_logs():
            for header in (*headers, (b"authorization", f"Basic {SECRET}".encode())):
                logging.getLogger("hpack.hpack").debug("Decoded %s, total consumed %d bytes", header, 7)
        assert len(caplog.records) == 3
        assert SECRET not in caplog.text

    def test_a_message_without_arguments_may_hold_percent_signs(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with redact_http_logs():
            logging.getLogger("httpx").info("%s", "100 %s done")
        assert caplog.messages == ["100 %s done"]

    def test_other_loggers_and_other_threads_are_not_changed(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with redact_http_logs():
            logging.getLogger("theirs").info("a?b")
            other = threading.Thread(target=logging.getLogger("httpx").info, args=("c?d",))
            other.start()
            other.join()
        assert caplog.messages == ["a?b", "c?d"]

    def test_blocks_nest_and_end_with_an_error_and_add_one_filter(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        log = logging.getLogger("httpx")

        def fail_within() -> None:
            with redact_http_logs():
                with redact_http_logs():
                    pass
                log.info("a?b")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail_within()
        log.info("c?d")
        assert caplog.messages == ["a?***", "c?d"]
        before = len(log.filters)
        with redact_http_logs():
            assert len(log.filters) == before


def test_control_characters_and_surrogates_are_replaced() -> None:
    assert redact("a\x1b[2J\x00\x9b\ud800b\tc\r\nd é") == "a\ufffd[2J\ufffd\ufffd\ufffdb\tc\r\nd é"


def test_shorten_redacts_before_it_cuts() -> None:
    assert shorten("//" + "p" * 2000 + "@h.example/" + "x" * 2000) == ("//***@h.example/" + "x" * 2000)[:1000] + "…"
    assert shorten("short") == "short"
