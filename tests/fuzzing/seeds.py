"""The inputs that people wrote, by target and name: the fuzzer starts from them. See `inputs`."""

from __future__ import annotations

from typing import Final

SEEDS: Final[dict[str, dict[str, bytes]]] = {
    "accepted": {
        "cancelled": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "CANCELLED", "P'
            b'rogramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDa'
            b'te": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 '
            b'May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:'
            b'00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", '
            b'"PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a5'
            b'2-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "completed": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "COMPLETED", "P'
            b'rogramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDa'
            b'te": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 '
            b'May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:'
            b'00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", '
            b'"PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a5'
            b'2-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "deep-field": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","Replayable":'
            + b"[" * 900
            + b"]" * 900
            + b"}"
        ),
        "empty": (b""),
        "error": (b'{"Status": "ERROR", "Message": "Not permitted to run report x"}'),
        "error-state": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "ERROR", "Progr'
            b'amId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDate":'
            b' "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 May '
            b'2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:00Z"'
            b', "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", "Per'
            b'centageComplete": "40", "Replayable": false, "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a52-7a5'
            b'd-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "failed": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "FAILED", "Prog'
            b'ramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDate"'
            b': "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 May'
            b' 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:00Z'
            b'", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", "Pe'
            b'rcentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a52-7'
            b'a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "full": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNNING", "Pro'
            b'gramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDate'
            b'": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 Ma'
            b'y 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:00'
            b'Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", "P'
            b'ercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a52-'
            b'7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "half-a-pair": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"FAILED","StatusMessage":"\\ud800 \\u00'
            b'1b[2J","Type":"\\udfff"}'
        ),
        "html": (b"<!DOCTYPE html><html><body>Bad gateway"),
        "long-message": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"FAILED","StatusMessage":"' + b"x y" * 5000 + b'"}'
        ),
        "long-status": (b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"' + b"x" * 5000 + b'"}'),
        "odd-status": (b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"\\ud83d\\n\\u0000?sig=canary"}'),
        "url-as-id": (b'{"Id":"https://s.example/a?X-Sig=canary","Status":"RUNNING"}'),
        "xml": (b'<?xml version="1.0"?><ImpactRadiusResponse><Job><Id>x</Id></Job></ImpactRadiusResponse>'),
    },
    "checksums": {
        "amazon": (
            b"\x00x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\nx-amz-checksum-crc32: NhCmhg=="
        ),
        "digest": (b"\x00Repr-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"),
        "google": (b"\x00x-goog-hash: crc32c=n03x6A==,md5=XUFAKrxLKna5cZ2REBfFkg=="),
        "hex": (b"\x00Content-MD5: 5d41402abc4b2a76b9719d911017c592"),
        "many": (b"\x00x-goog-hash: " + b"md5=AA==," * 3000),
        "md5": (b"\x00Content-MD5: XUFAKrxLKna5cZ2REBfFkg=="),
        "odd": (b"\x00Content-MD5: \xc3\xa9\xc3\xa9\xc3\xa9\nx-amz-checksum-\xc3\xa9: =="),
        "old": (b"\x00Digest: SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    },
    "content-disposition": {
        "backslashes": (b'attachment; filename="' + b"\\" * 5000),
        "bidi": (b"attachment; filename*=utf-8''a%E2%80%AEvsc.exe"),
        "blanks": (b"attachment;" + b" " * 5000 + b"filename"),
        "charset": (b"attachment; filename*=utf-7''+AC8-"),
        "control": (b"attachment; filename*=''%00%0a%1b.csv"),
        "cut": (
            b'attachment; filename="xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            b'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx y.csv"'
        ),
        "dots": (b'attachment; filename="..."'),
        "extended": (b"attachment; filename*=UTF-8''na%C3%AFve%20file.csv; filename=\"naive.csv\""),
        "found-4c269512": (
            b'a\x01=t; filename="\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01'
            b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff)\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00"
            b"\x00\xff\xff\xff\xff\xff\xff\xffi.\xff\xff                           \xff\x01\x00\x00\x00\x00"
            b"\x00\x00\x08\xff\x01\x00\xff\xff\xff\xff\xff\xff"
        ),
        "found-b5e7b690": (
            b'a\x01=t; filename="\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff'
            b"\xff\xff\xfc\xff\xff\xff\xff\xff\xff\xff\xffilename\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf9\x01"
            b"\x00\x00+\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff)\xff\xff\xff\x01\x00\x00\x00\x00\x00"
            b"\x00\x00\xff\xff\xff\xff\xff\xba\xb7\xffi .     \x01\x00\x00\x00   \x00   \x01\x00\x00\x00"
            b"\x00\x00\x00\xff\xff\xff\xff\xff\xff"
        ),
        "half": (b"attachment; filename*=utf-8''%ED%A0%80.csv"),
        "latin": (b"attachment; filename*=ISO-8859-1'en'%A3.csv"),
        "long": (b'attachment; filename="' + b"\xc3\xa9" * 400 + b'.csv"'),
        "long-extension": (b'attachment; filename="a.' + b"x" * 400 + b'"'),
        "plain": (b'attachment; filename="report.csv"'),
        "quoted": (b'attachment; filename="a\\"b\\\\c.csv"'),
        "raw": (b'attachment; filename="na\xc3\xafve.csv"'),
        "separator": (b"attachment; filename*=utf-8''a%E2%80%A8b.csv"),
        "spaces": (b'attachment; filename="  a .csv "'),
        "token": (b"attachment; filename=report.csv"),
        "unclosed": (b'attachment; filename="a' * 300),
        "up": (b'attachment; filename="../../etc/passwd"'),
        "windows": (b'attachment; filename="C:\\\\a\\\\b.csv"'),
    },
    "content-range": {
        "arabic": (b"bytes \xd9\xa0-\xd9\xa9/\xd9\xa1\xd9\xa0"),
        "backwards": (b"bytes 9-5/100"),
        "digits": (b"bytes 0-" + b"9" * 5000 + b"/*"),
        "large": (b"bytes 0-9223372036854775806/9223372036854775807"),
        "larger": (b"bytes 0-9/9999999999999999999"),
        "none": (b"bytes */100"),
        "other": (b"items 0-9/10"),
        "part": (b"bytes 0-9/100"),
        "rest": (b"bytes 5-99/*"),
        "unknown-larger": (b"bytes 0-9999999999999999998/*"),
    },
    "date": {
        "asctime": (b"Fri May 29 00:00:00 2026"),
        "blank": (b" "),
        "colons": (b"Fri, 29 May 2026 " + b":" * 5000),
        "commas": (b", " * 5000),
        "digits": (b"Fri, 29 May " + b"9" * 5000 + b" 00:00:00 GMT"),
        "early": (b"Mon, 01 Jan 0001 00:00:00 +2359"),
        "late": (b"Fri, 31 Dec 9999 23:59:59 -2359"),
        "offset": (b"Fri, 29 May 2026 00:00:00 +9999"),
        "usual": (b"Fri, 29 May 2026 00:00:00 GMT"),
        "year-100": (b"Mon, 01 Jan 0100 00:00:00 +2359"),
        "zone": (b"Fri, 29 May 2026 00:00:00 -0000"),
    },
    "direct": {},
    "error": {
        "deep": (b"\t" + b"[" * 3000),
        "denied": (b'\x05{"Status": "ERROR", "Message": "Access Denied"}'),
        "echo": (b'\x04{"Message":"Basic SVJ0ZXN0OnRva2Vu token"}'),
        "empty": (b"\x08"),
        "found-ad3b538b": (
            b'\x03{"Errors": ['
            + b'{"Field": "x", "Message": "y"}, ' * 16
            + b'{"Field": "x?'
            + b'", "Message": "y"}, {"Field": "x' * 431
            + b'", "Message": "y"}]}'
        ),
        "gateway": (b'\t{"message": "no Route matched", "request_id": "r1"}'),
        "half-a-pair": (b'\x03{"Message":"\\ud800\\u001b[2J","Errors":[{"Field":"\\udfff","Message":"\\u0000"}]}'),
        "html": (b"\n<html>Bad gateway</html>"),
        "long": (b'\x03{"Message": "' + b"x" * 5000 + b'", "request_id": "' + b"y" * 5000 + b'"}'),
        "many": (
            b'\x03{"Errors": [' + b'{"Field": "x", "Message": "y"}, ' * 1999 + b'{"Field": "x", "Message": "y"}]}'
        ),
        "question": (b"\x03" + b"?" * 5000),
        "slashes": (b'\x03{"Message":"' + b"//a@" * 2000 + b'"}'),
        "utf16": (
            b'\x03\xff\xfe{\x00"\x00S\x00t\x00a\x00t\x00u\x00s\x00"\x00:\x00 \x00"\x00E\x00R\x00R\x00O\x00R'
            b'\x00"\x00,\x00 \x00"\x00M\x00e\x00s\x00s\x00a\x00g\x00e\x00"\x00:\x00 \x00"\x00V\x00a\x00l'
            b"\x00i\x00d\x00a\x00t\x00i\x00o\x00n\x00 \x00F\x00a\x00i\x00l\x00e\x00d\x00 \x00h\x00t\x00t"
            b"\x00p\x00s\x00:\x00/\x00/\x00u\x00:\x00p\x00@\x00h\x00.\x00e\x00x\x00a\x00m\x00p\x00l\x00e"
            b'\x00/\x00x\x00?\x00s\x00i\x00g\x00=\x00c\x00a\x00n\x00a\x00r\x00y\x00"\x00,\x00 \x00"\x00E'
            b'\x00r\x00r\x00o\x00r\x00s\x00"\x00:\x00 \x00[\x00{\x00"\x00F\x00i\x00e\x00l\x00d\x00"\x00:'
            b'\x00 \x00"\x00A\x00c\x00c\x00o\x00u\x00n\x00t\x00I\x00d\x00"\x00,\x00 \x00"\x00M\x00e\x00s'
            b'\x00s\x00a\x00g\x00e\x00"\x00:\x00 \x00"\x00N\x00o\x00t\x00 \x00a\x00 \x00n\x00u\x00m\x00e'
            b'\x00r\x00i\x00c\x00 \x00v\x00a\x00l\x00u\x00e\x00"\x00}\x00,\x00 \x00{\x00"\x00M\x00e\x00s'
            b'\x00s\x00a\x00g\x00e\x00"\x00:\x00 \x00"\x00B\x00o\x00t\x00h\x00"\x00}\x00,\x00 \x00{\x00"'
            b'\x00F\x00i\x00e\x00l\x00d\x00"\x00:\x00 \x00"\x00h\x00t\x00t\x00p\x00s\x00:\x00/\x00/\x00h'
            b"\x00.\x00e\x00x\x00a\x00m\x00p\x00l\x00e\x00/\x00?\x00s\x00i\x00g\x00=\x00c\x00a\x00n\x00a"
            b'\x00r\x00y\x00"\x00}\x00,\x00 \x00"\x00o\x00d\x00d\x00"\x00]\x00}\x00'
        ),
        "validation": (
            b'\x03{"Status": "ERROR", "Message": "Validation Failed https://u:p@h.example/x?sig=canary", "E'
            b'rrors": [{"Field": "AccountId", "Message": "Not a numeric value"}, {"Message": "Both"}, {"Fie'
            b'ld": "https://h.example/?sig=canary"}, "odd"]}'
        ),
        "xml": (b"\x05<ImpactRadiusResponse><Message>Denied</Message></ImpactRadiusResponse>"),
        "xml-open": (b"\x05" + b"<Message>" * 3000),
    },
    "generated": {
        "empty": (b""),
        "error": (b'\x03\n{"Message": "no"}'),
        "half-a-pair": (b'\x00\n{"Id": "\\ud800"}'),
        "html": (b"\n\n<html>"),
        "huge": (b'\x00\n{"RecordsProcessed": 1e999}'),
        "job": (b'\x00plain\n{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "COMPLETED"}'),
        "latin": (b'\x00caf\xe9 \xb9\n{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "COMPLETED"}'),
        "list": (b'\x00\n[{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "COMPLETED"}]'),
        "mark": (b'\x00x\n\xef\xbb\xbf{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "COMPLETED"}'),
        "sixteen": (
            b'\x00x\n\xff\xfe{\x00"\x00I\x00d\x00"\x00:\x00 \x00"\x003\x00f\x006\x00c\x001\x00a\x005\x002'
            b"\x00-\x007\x00a\x005\x00d\x00-\x004\x00f\x000\x00e\x00-\x009\x00d\x005\x003\x00-\x000\x00c"
            b'\x005\x00f\x004\x00d\x00d\x002\x00a\x006\x00b\x001\x00"\x00,\x00 \x00"\x00S\x00t\x00a\x00t'
            b'\x00u\x00s\x00"\x00:\x00 \x00"\x00C\x00O\x00M\x00P\x00L\x00E\x00T\x00E\x00D\x00"\x00}\x00'
        ),
        "text": (b'\x00\n"x"'),
        "xml": (b"\x00text/xml\n<ImpactRadiusResponse/>"),
    },
    "gzip": {
        "behind": (b"\x00\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00x"),
        "cut": (b"\x05\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJT\xb22\xac\xad&\x93\x02\x00\x13\xff\x07"),
        "empty": (b""),
        "empty-ones": (
            b"\xff" + b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00" * 200
        ),
        "plain": (b"\x02{}"),
        "two": (
            b"\x10\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00\x1f"
            b"\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00"
        ),
        "usual": (b"\xff\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00"),
        "zeros": (
            (b"\xff\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\r\x00\x00\x00\xc2\xa0\xf7Om\x0f\x07\x14")
            + b"\x00" * 290
            + b"\xfc\x18\xfb\xe2\xb2\xf6\xe0\x93\x04\x00"
        ),
    },
    "job": {
        "bom": (b"\xef\xbb\xbf{}"),
        "deep": (b"[" * 3000),
        "deep-field": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","Replayable":'
            + b"[" * 900
            + b"]" * 900
            + b"}"
        ),
        "deep-id": (b'{"Id":' + b"[" * 900 + b"]" * 900 + b',"Status":"X"}'),
        "deep-objects": (b'{"a":' * 3000),
        "empty": (b""),
        "error": (b'{"Status": "ERROR", "Message": "Not permitted to run report x"}'),
        "full": (
            b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNNING", "Pro'
            b'gramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDate'
            b'": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 Ma'
            b'y 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:00'
            b'Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", "P'
            b'ercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a52-'
            b'7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}'
        ),
        "half-a-pair": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"FAILED","StatusMessage":"\\ud800 \\u00'
            b'1b[2J","Type":"\\udfff"}'
        ),
        "html": (b"<!DOCTYPE html><html><body>Bad gateway"),
        "huge-number": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","PercentageComplete":'
            + b"9" * 4000
            + b',"RecordsProcessed":1e308}'
        ),
        "long-message": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"FAILED","StatusMessage":"' + b"x y" * 5000 + b'"}'
        ),
        "long-status": (b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"' + b"x" * 5000 + b'"}'),
        "mere": (b'"QUEUED"'),
        "minimal": (b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "X"}'),
        "mixed-offsets": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","CreatedDate":"0001-01-01T00:'
            b'00:00+23:59","StartedDate":"9999-12-31T23:59:59-23:59"}'
        ),
        "not-finite": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","PercentageComplete":Infinity'
            b',"RecordsProcessed":NaN}'
        ),
        "null": (b"null"),
        "odd-status": (b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"\\ud83d\\n\\u0000?sig=canary"}'),
        "same-key": (b'{"Id":1,"Id":2,"Status":"X"}'),
        "text-number": (
            (
                b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","PercentageComplete":"1e308",'
                b'"RecordsProcessed":"'
            )
            + b"9" * 4000
            + b'"}'
        ),
        "too-many-digits": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","PercentageComplete":'
            + b"9" * 5000
            + b"}"
        ),
        "url-as-date": (
            b'{"Id":"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1","Status":"RUNNING","CreatedDate":"https://s.exam'
            b'ple/a?X-Sig=canary"}'
        ),
        "url-as-id": (b'{"Id":"https://s.example/a?X-Sig=canary","Status":"RUNNING"}'),
        "utf16": (
            b'\xff\xfe{\x00"\x00I\x00d\x00"\x00:\x00 \x00"\x003\x00f\x006\x00c\x001\x00a\x005\x002\x00-\x00'
            b"7\x00a\x005\x00d\x00-\x004\x00f\x000\x00e\x00-\x009\x00d\x005\x003\x00-\x000\x00c\x005\x00f"
            b'\x004\x00d\x00d\x002\x00a\x006\x00b\x001\x00"\x00,\x00 \x00"\x00T\x00y\x00p\x00e\x00"\x00:'
            b'\x00 \x00"\x00A\x00p\x00i\x00R\x00e\x00p\x00o\x00r\x00t\x00"\x00,\x00 \x00"\x00S\x00t\x00a'
            b'\x00t\x00u\x00s\x00"\x00:\x00 \x00"\x00R\x00U\x00N\x00N\x00I\x00N\x00G\x00"\x00,\x00 \x00"'
            b'\x00P\x00r\x00o\x00g\x00r\x00a\x00m\x00I\x00d\x00"\x00:\x00 \x001\x000\x000\x000\x00,\x00 '
            b'\x00"\x00C\x00r\x00e\x00a\x00t\x00e\x00d\x00B\x00y\x00"\x00:\x00 \x00"\x00I\x00R\x00a\x00b'
            b'\x00c\x00"\x00,\x00 \x00"\x00C\x00r\x00e\x00a\x00t\x00e\x00d\x00D\x00a\x00t\x00e\x00"\x00:'
            b'\x00 \x00"\x002\x000\x002\x006\x00-\x000\x005\x00-\x002\x009\x00T\x000\x004\x00:\x003\x003'
            b'\x00:\x005\x000\x00-\x000\x005\x00:\x000\x000\x00"\x00,\x00 \x00"\x00S\x00t\x00a\x00r\x00t'
            b'\x00e\x00d\x00D\x00a\x00t\x00e\x00"\x00:\x00 \x00"\x002\x000\x002\x006\x00-\x000\x005\x00-'
            b'\x002\x009\x00T\x000\x004\x00:\x003\x003\x00:\x005\x001\x00"\x00,\x00 \x00"\x00C\x00o\x00m'
            b'\x00p\x00l\x00e\x00t\x00e\x00d\x00D\x00a\x00t\x00e\x00"\x00:\x00 \x00"\x00"\x00,\x00 \x00"'
            b'\x00A\x00b\x00a\x00n\x00d\x00o\x00n\x00e\x00d\x00D\x00a\x00t\x00e\x00"\x00:\x00 \x00n\x00u'
            b'\x00l\x00l\x00,\x00 \x00"\x00C\x00a\x00n\x00c\x00e\x00l\x00l\x00e\x00d\x00D\x00a\x00t\x00e'
            b'\x00"\x00:\x00 \x00"\x002\x009\x00 \x00M\x00a\x00y\x00 \x002\x000\x002\x006\x00"\x00,\x00 '
            b'\x00"\x00F\x00a\x00i\x00l\x00e\x00d\x00D\x00a\x00t\x00e\x00"\x00:\x00 \x00"\x00M\x00a\x00y'
            b'\x00 \x002\x009\x00,\x00 \x002\x000\x002\x006\x00 \x004\x00:\x003\x003\x00 \x00P\x00M\x00"'
            b'\x00,\x00 \x00"\x00L\x00a\x00s\x00t\x00P\x00r\x00o\x00g\x00r\x00e\x00s\x00s\x00U\x00p\x00d'
            b'\x00a\x00t\x00e\x00D\x00a\x00t\x00e\x00"\x00:\x00 \x00"\x002\x000\x002\x006\x00-\x000\x005'
            b'\x00-\x002\x009\x00T\x000\x004\x00:\x003\x004\x00:\x000\x000\x00Z\x00"\x00,\x00 \x00"\x00S'
            b'\x00t\x00a\x00t\x00u\x00s\x00M\x00e\x00s\x00s\x00a\x00g\x00e\x00"\x00:\x00 \x00"\x00s\x00e'
            b"\x00e\x00 \x00h\x00t\x00t\x00p\x00s\x00:\x00/\x00/\x00u\x00:\x00p\x00@\x00h\x00.\x00e\x00x"
            b"\x00a\x00m\x00p\x00l\x00e\x00/\x00x\x00?\x00s\x00i\x00g\x00=\x00c\x00a\x00n\x00a\x00r\x00y"
            b'\x00"\x00,\x00 \x00"\x00R\x00e\x00c\x00o\x00r\x00d\x00s\x00P\x00r\x00o\x00c\x00e\x00s\x00s'
            b'\x00e\x00d\x00"\x00:\x00 \x00"\x001\x002\x000\x000\x00"\x00,\x00 \x00"\x00P\x00e\x00r\x00c'
            b'\x00e\x00n\x00t\x00a\x00g\x00e\x00C\x00o\x00m\x00p\x00l\x00e\x00t\x00e\x00"\x00:\x00 \x00"'
            b'\x004\x000\x00"\x00,\x00 \x00"\x00R\x00e\x00p\x00l\x00a\x00y\x00a\x00b\x00l\x00e\x00"\x00:'
            b'\x00 \x00"\x00t\x00r\x00u\x00e\x00"\x00,\x00 \x00"\x00R\x00e\x00s\x00u\x00l\x00t\x00U\x00r'
            b'\x00i\x00"\x00:\x00 \x00"\x00/\x00A\x00g\x00e\x00n\x00c\x00i\x00e\x00s\x00/\x00I\x00R\x00t'
            b"\x00e\x00s\x00t\x00/\x00J\x00o\x00b\x00s\x00/\x003\x00f\x006\x00c\x001\x00a\x005\x002\x00-"
            b"\x007\x00a\x005\x00d\x00-\x004\x00f\x000\x00e\x00-\x009\x00d\x005\x003\x00-\x000\x00c\x005"
            b"\x00f\x004\x00d\x00d\x002\x00a\x006\x00b\x001\x00/\x00D\x00o\x00w\x00n\x00l\x00o\x00a\x00d"
            b'\x00"\x00,\x00 \x00"\x00N\x00e\x00w\x00"\x00:\x00 \x00{\x00"\x00a\x00"\x00:\x00 \x00[\x001'
            b"\x00]\x00}\x00}\x00"
        ),
        "xml": (b'<?xml version="1.0"?><ImpactRadiusResponse><Job><Id>x</Id></Job></ImpactRadiusResponse>'),
    },
    "job-reference": {
        "bracket": (b"https://["),
        "brand": (b"/Agencies/IRtest/Advertisers/7/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "control": (b"/Agencies/\x1b[2J/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "download": (b"/Agencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download"),
        "elsewhere": (b"https://u:canary@elsewhere.example/Agencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "found-b842ce69": (
            b"//Z\x00\x00\x00\x00\x00\t\x00@/Z\x00\x00\x00\x00\x00\x00\x00@elsewl+-0c5f41else\x00\x00\x00"
            b"\x00\x00\x00\x03\xe842a6b1"
        ),
        "found-e7489930": (b"+<//0p/<//p\xa0///un[,@p<,"),
        "json": (b"/Agencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.json?sig=canary"),
        "long": (b"x" * 5000),
        "long-account": (b"/Agencies/" + b"x" * 5000 + b"/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "nested": (b"/Agencies/IRtest/Jobs/" * 2000),
        "other": (b"/Agencies/IRother/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "path": (b"/Agencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
        "port": (b"https://api.impact.com:x/"),
        "replay": (b"https://api.impact.com/Agencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Replay"),
        "slashes": (b"/" * 5000),
        "upper": (b"3F6C1A52-7A5D-4F0E-9D53-0C5F4DD2A6B1"),
        "uuid": (b"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"),
    },
    "journal": {
        "booleans": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": true, "validator": '
            b'"\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fi'
            b'lename": "a.csv", "coverage": [[false, true]]}'
        ),
        "deep": (b"[" * 3000),
        "digits": (b'{"format":1,"length":' + b"9" * 4000 + b"}"),
        "empty": (b""),
        "float-format": (
            b'{"format": 1.0, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator":'
            b' "\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "f'
            b'ilename": "a.csv", "coverage": [[0, 10], [20, 30]]}'
        ),
        "half-a-pair": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator": "'
            b'\\ud800", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "\\ud800", "filen'
            b'ame": "\\ud800", "coverage": [[0, 10], [20, 30]]}'
        ),
        "huge": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 1000000000000000000'
            b'000000000000, "validator": "\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "con'
            b'tent_type": "text/csv", "filename": "a.csv", "coverage": [[0, 100000000000000000000000000000]'
            b"]}"
        ),
        "newline": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator": "'
            b'a\\r\\nb", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fil'
            b'ename": "a.csv", "coverage": [[0, 10], [20, 30]]}'
        ),
        "no-length": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": null, "validator": '
            b'"\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fi'
            b'lename": "a.csv", "coverage": [[0, 10], [20, 30]]}'
        ),
        "none": (b"{}"),
        "odd-format": (
            b'{"format": true, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator"'
            b': "\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "'
            b'filename": "a.csv", "coverage": [[0, 10], [20, 30]]}'
        ),
        "overlapping": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator": "'
            b'\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fil'
            b'ename": "a.csv", "coverage": [[20, 30], [0, 10], [5, 25]]}'
        ),
        "up": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator": "'
            b'\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fil'
            b'ename": "../../x", "coverage": [[0, 10], [20, 30]]}'
        ),
        "usual": (
            b'{"format": 1, "job_id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "length": 100, "validator": "'
            b'\\"v1\\"", "checksums": {"md5": "XUFAKrxLKna5cZ2REBfFkg=="}, "content_type": "text/csv", "fil'
            b'ename": "a.csv", "coverage": [[0, 10], [20, 30]]}'
        ),
    },
    "list": {
        "array": (
            b'[{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNNING", "Pr'
            b'ogramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "StartedDat'
            b'e": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "29 M'
            b'ay 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:34:0'
            b'0Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200", "'
            b'PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1a52'
            b'-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}, {"Id": "00000000-0000-4000-8000-0'
            b'00000000000", "Status": "QUEUED"}]'
        ),
        "brackets": (b'{"Jobs": [], "@nextpageuri": "//[::1"}'),
        "elsewhere": (b'{"Jobs": [], "@nextpageuri": "https://elsewhere.example/x?sig=canary"}'),
        "error": (b'{"Status": "ERROR", "Message": "no"}'),
        "half-a-pair-uri": (b'{"Jobs":[],"@nextpageuri":"/\\ud800"}'),
        "last": (
            b'{"@page": "1", "@numpages": "1", "@pagesize": "100", "@total": "2", "@nextpageuri": "", "Jobs'
            b'": [{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNNING", '
            b'"ProgramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "Started'
            b'Date": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDate": "2'
            b'9 May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-29T04:3'
            b'4:00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": "1200"'
            b', "PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs/3f6c1'
            b'a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}, {"Id": "00000000-0000-4000-800'
            b'0-000000000000", "Status": "QUEUED"}]}'
        ),
        "long-uri": (b'{"Jobs": [], "@nextpageuri": "/' + b"x" * 5000 + b'"}'),
        "loop": (b'{"Jobs": [], "@nextpageuri": "/Agencies/IRtest/Jobs"}'),
        "malformed": (
            b'[null, 7, {"Id": "12", "CreatedDate": "2026-05-29", "Status": "RUNNING"}, {"Id": "00000000-00'
            b'00-4000-8000-000000000000"}, {"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiRepor'
            b't", "Status": "RUNNING", "ProgramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T'
            b'04:33:50-05:00", "StartedDate": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": '
            b'null, "CancelledDate": "29 May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpda'
            b'teDate": "2026-05-29T04:34:00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "'
            b'RecordsProcessed": "1200", "PercentageComplete": "40", "Replayable": "true", "ResultUri": "/A'
            b'gencies/IRtest/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}]'
        ),
        "many-lists": (b"[" + b"[], " * 4999 + b"[]]"),
        "many-malformed": (b"[" + b"0, " * 2999 + b"0]"),
        "many-small": (b"[" + b"{}, " * 2999 + b"{}]"),
        "newline": (b'{"Jobs": [], "@nextpageuri": "/a\\nb\\u0000"}'),
        "nfkc": (b'{"Jobs": [], "@nextpageuri": "//api.impact.com\\u2100/"}'),
        "no-host": (b'{"Jobs": [], "@nextpageuri": "//["}'),
        "none": (b'{"@total": "0"}'),
        "null": (b'{"Jobs": null}'),
        "object": (
            b'{"Jobs": [{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNN'
            b'ING", "ProgramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "S'
            b'tartedDate": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDat'
            b'e": "29 May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-2'
            b'9T04:34:00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": '
            b'"1200", "PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs'
            b'/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}, {"Id": "00000000-0000-40'
            b'00-8000-000000000000", "Status": "QUEUED"}]}'
        ),
        "odd-port": (b'{"Jobs": [], "@nextpageuri": "https://api.impact.com:99999/x"}'),
        "pages": (
            b'{"Jobs": [{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Type": "ApiReport", "Status": "RUNN'
            b'ING", "ProgramId": 1000, "CreatedBy": "IRabc", "CreatedDate": "2026-05-29T04:33:50-05:00", "S'
            b'tartedDate": "2026-05-29T04:33:51", "CompletedDate": "", "AbandonedDate": null, "CancelledDat'
            b'e": "29 May 2026", "FailedDate": "May 29, 2026 4:33 PM", "LastProgressUpdateDate": "2026-05-2'
            b'9T04:34:00Z", "StatusMessage": "see https://u:p@h.example/x?sig=canary", "RecordsProcessed": '
            b'"1200", "PercentageComplete": "40", "Replayable": "true", "ResultUri": "/Agencies/IRtest/Jobs'
            b'/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1/Download", "New": {"a": [1]}}], "@nextpageuri": "/Agenc'
            b'ies/IRtest/Jobs?Page=2"}\x00{"Jobs": [{"Id": "00000000-0000-4000-8000-000000000000", "Status"'
            b': "QUEUED"}], "@nextpageuri": ""}'
        ),
        "some": (b'{"@total": "5"}'),
        "user": (b'{"Jobs": [], "@nextpageuri": "https://user:pw@api.impact.com/x"}'),
        "wrong": (b'{"Jobs": "x"}'),
    },
    "location": {
        "at": (b"https://a.example@/"),
        "blank": (b" "),
        "bracket": (b"https://["),
        "control": (b"https://a.example/\x1b[2J?s"),
        "data": (b"data:text/plain,x"),
        "dots": (b"https://a..b/"),
        "file": (b"file:///etc/passwd"),
        "found-177d9666": (b":shh://["),
        "found-3bb46113": (
            b"https://[fe80::1%s\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            b"\xff\xff\xff\xff\xff\xffMM5eth0]/"
        ),
        "fragment": (b"https://a.example/#?sig=canary"),
        "gcs": (b"https://storage.googleapis.com/b/o.csv?X-Goog-Signature=canary"),
        "idna": (b"https://\xe2\x84\x80.example/"),
        "long": (b"https://a/" + b"x" * 5000),
        "loopback": (b"http://127.1/a"),
        "mapped": (b"https://[::ffff:127.0.0.1]/"),
        "metadata": (b"http://169.254.169.254/latest"),
        "plain": (b"http://storage.example/a?sig=canary"),
        "port": (b"https://a:99999/"),
        "relative": (b"/storage/a?sig=canary"),
        "s3": (b"https://bucket.s3.amazonaws.com/a/b.csv?X-Amz-Signature=canary&X-Amz-Expires=60"),
        "scheme": (b"//storage.example/a?sig=canary"),
        "scope": (b"https://[fe80::1%25eth0]/"),
        "six": (b"https://[::1]/a"),
        "user": (b"https://u:canary@storage.example/a"),
        "zero": (b"https://a\x00b/"),
    },
    "rate-limits": {
        "asctime": (b"\x08Retry-After: Fri May 29 00:01:00 2026"),
        "blank": (b"\x08Retry-After: "),
        "date": (b"\x08Retry-After: Fri, 29 May 2026 00:01:00 GMT\nDate: Fri, 29 May 2026 00:00:00 GMT"),
        "digits": (b"\x08Retry-After: " + b"9" * 5000),
        "draft": (b"\x00RateLimit-Limit: 1000, 1000;w=3600\nRateLimit-Remaining: 5\nRateLimit-Reset: 60, 60"),
        "early": (b"\x08Retry-After: Mon, 01 Jan 0100 00:00:00 +2359\nDate: Fri, 31 Dec 9999 23:59:59 -2359"),
        "epoch": (b"\x08X-RateLimit-Limit: 1000\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1487332519"),
        "hour": (b"\x00X-RateLimit-Limit-hour: 1000\nX-RateLimit-Remaining-hour: 999\nRateLimit-Reset: 3600"),
        "long": (b"\x08Retry-After:" + b" a," * 5000 + b" "),
        "nan": (b"\x08Retry-After: nan\nX-RateLimit-Limit: inf\nX-RateLimit-Remaining: -1\nX-RateLimit-Reset: 1e308"),
        "negative": (b"\nRetry-After: -5"),
        "seconds": (b"\x08Retry-After: 17"),
        "underscores": (b"\x08Retry-After: 1_0"),
    },
    "version": {
        "arabic": (b"\x00Content-Length: \xd9\xa3"),
        "chunked": (b"\x00Transfer-Encoding: chunked\nContent-Length: 10"),
        "dated": (
            b"\x00Content-Length: 100\nLast-Modified: Fri, 29 May 2026 00:00:00 GMT\nDate: Fri, 29 May 2026"
            b" 00:01:00 GMT"
        ),
        "digits": (b"\x00Content-Length: " + b"9" * 5000),
        "encoded": (b"\x00Content-Encoding: gzip\nContent-Length: 10"),
        "large": (b"\x00Content-Length: 9999999999999999999"),
        "latin-tag": (b'\x00ETag: "\xc3\xa9"\nContent-Length: 10'),
        "mixed": (
            b"\x00Content-Length: 10\nLast-Modified: Fri, 29 May 2026 00:00:00 -0000\nDate: Fri, 29 May 202"
            b"6 00:01:00 GMT"
        ),
        "odd-tag": (b'\x00ETag: "a\x1b b"\nContent-Length: 10'),
        "part": (b'\x02ETag: "v1"\nContent-Range: bytes 7-99/100'),
        "shorter": (b"\x07Content-Range: bytes */5"),
        "swift": (b"\x00ETag: 5d41402abc4b2a76b9719d911017c592\nContent-Length: 3"),
        "usual": (
            b'\x00ETag: "v1"\nContent-Length: 100\nLast-Modified: Fri, 29 May 2026 00:00:00 GMT\nDate: Fri,'
            b" 29 May 2026 00:01:00 GMT"
        ),
        "weak": (b'\x00ETag: W/"v1"\nContent-Length: 100'),
    },
    "window": {
        "ampm": (b"29 May 2026 12 AM|12:00 AM 29 May 2026"),
        "basic": (b"20260529|"),
        "control": (b"\x1b[2J\x00|"),
        "days": (b"2026-05-01|2026-05-29"),
        "decimal": (b"2026-05-29 1e999999|"),
        "digits": (b"2222222222222222222222222222222222222222222222222222222222222222|"),
        "dots": (b"2026.05.29|29.5.2026"),
        "early": (b"0001-01-01T00:00:00+23:59|0001-01-02"),
        "found-2e55ea9f": (
            b"//aFM0\x00\x00\xa0\x00\x00\x00\x00\x00@\x00\x00\x00@f\x17\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            b"\x17m\x00ax\x00\x00\x80y|"
        ),
        "found-97742d2e": (b"May 602D 33 +99?|"),
        "fraction": (b"2026-05-29T04:33:50.999999999|"),
        "half": (b"May 2026|"),
        "late": (b"|9999-12-31T23:59:59-23:59"),
        "long": (b"x" * 5000 + b"|"),
        "moment": (b"2026-05-29T04:33:50-05:00|"),
        "offset": (b"29 May 2026 04:33 +99:99|"),
        "turned": (b"2026-05-29|2026-05-01"),
        "url": (b"https://a.example/?sig=canary|"),
        "week": (b"2026-W22-5|"),
        "weekday": (b"Friday 29 May 2026|"),
        "words": (b"29 May 2026 4:33 PM|"),
        "yesterday": (b"yesterday|"),
        "zone": (b"29 May 2026 04:33 EST|"),
    },
    "page": {
        "bare": (
            b'\x01{"openapi": "3.0.3", "info": {"title": "Boats", "version": "1"}, "paths": {"/Boats/{Id}"'
            b': {"parameters": [{"name": "Id", "in": "path", "required": true, "schema": {"type": "string"'
            b'}}], "get": {"operationId": "getBoat", "responses": {"200": {"description": "", "content": {'
            b'"application/json": {"schema": {"$ref": "#/components/schemas/Boat"}}}}}}}}, "components": {'
            b'"schemas": {"Boat": {"type": "object", "nullable": true, "properties": {"Id": {"type": "stri'
            b'ng"}, "Oars": {"type": "array", "items": {"$ref": "#/components/schemas/Oar"}}}}, "Oar": {"a'
            b'llOf": [{"type": "integer"}]}}}}'
        ),
        "bomb": (
            b"\x02openapi: 3.1.0\npaths: {}\nx-a: &a [text, text]\nx-b: &b [*a, *a, *a, *a]\nx-c: &c [*b, "
            b"*b, *b, *b]\nx-d: &d [*c, *c, *c, *c]\nx-e: &e [*d, *d, *d, *d]\nx-f: &f [*e, *e, *e, *e]\nx"
            b"-g: [*f, *f, *f, *f]\n"
        ),
        "crlf": (b'\x00\xef\xbb\xbf# Boats\r\n\r\n```json\r\n{"openapi": "3.1.0",\r\n"paths": {}}\r\n```\r\n'),
        "deep": b"\x01" + b"[" * 2000,
        "duplicate": (
            b'\x01{"openapi": "3.1.0", "paths": {"/a": {}, "/a": {"get": NaN, "put": 1e999, "x": "\\ud800"}}}'
        ),
        "empty": b"",
        "models": (
            b'\x00# Models\n\n## The Boat object\n\n```json\n{"openapi":"3.1.0","info":{"title":"Boats","v'
            b'ersion":"3.0"},"components":{"schemas":{"Boat":{"type":["object","null"]}}}}\n```\n\n~~~yml'
            b'\nopenapi: "3.1.0"\ncomponents: {schemas: {Oar: {type: string}}}\n~~~\n'
        ),
        "page": (
            b"\x00> The index is in [an index](index.txt).\n\n# Boats\n\n## List all boats\n\n> Returns \\"
            b'`Boats\\`.\\\n> \\\n> \\- \\*\\*All\\*\\* \xe2\x80\x94 of them.\n\n```json\n{"openapi":"3.1.'
            b'0","info":{"title":"Boats","version":"3.0"},"paths":{"/Boats":{"get":{"operationId":"listBoa'
            b'ts","responses":{"200":{"description":"Done."}}}}}}\n```\n\n- text\n\n  ```\n  {"openapi":"3'
            b'.1.0","paths":{}}\n  ```\n\n# Questions\n\n```bash\nGET https://boats.example\n```\n'
        ),
        "scalars": (
            b"\x02openapi: 3.1.0\npaths:\n  /a: {get: {responses: {200: {description: no}}, x-a: [0x1F, 0o"
            b"7, 1e3, ~, .5, 2026-05-29, 'a', \"\\u00e9\"]}}\ncomponents: {schemas: {A: &a {type: object},"
            b" B: *a}}\n"
        ),
        "text": b"\x03openapi: 3.1.0\npaths: {}\n---\nopenapi: 3.1.0\n",
        "unclosed": (b'\x00```json\n{"openapi": "3.1.0"}\n\n```json\n{"openapi": "3.1.0", "paths": {}}\n```\n\n```\n'),
        "yaml": (
            b"\x02# a comment\n%YAML 1.2\n---\nopenapi: '3.0.0'\npaths:\n  /a:\n    <<: {}\n    get: !!str"
            b" x\n    ? [a]\n    : |\n      text\n\tb: 1\n"
        ),
    },
}
