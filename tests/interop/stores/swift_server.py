"""Run a complete OpenStack Swift in one process, with files in a given folder. It needs the Python of .venv-interop.

The servers are Swift's own, from the proxy to the object server, with the filters in the recommended order and these
settings: one replica on one device; objects in memory, because temporary folders may lack extended attributes; tokens
without memcached; and an object server that keeps the checksums of S3 with an object.
"""

from __future__ import annotations

import base64
import logging
import os
import sys
from pathlib import Path
from typing import Any

import eventlet  # type: ignore[import-not-found]

eventlet.monkey_patch()

from eventlet import wsgi  # noqa: E402 - after monkey_patch
from swift.common import storage_policy, utils  # type: ignore[import-not-found]  # noqa: E402 - after monkey_patch
from swift.common.ring import RingBuilder  # type: ignore[import-not-found]  # noqa: E402 - after monkey_patch
from swift.common.wsgi import loadapp  # type: ignore[import-not-found]  # noqa: E402 - after monkey_patch

HOST = "127.0.0.1"
CLUSTER = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
"""
BACKEND = """
[DEFAULT]
swift_dir = {home}
devices = {home}/devices
mount_check = false
log_level = ERROR
[app:main]
use = egg:swift#{app}
allowed_headers = content-disposition, content-encoding, x-amz-checksum-sha256, x-amz-checksum-crc32
"""
PROXY = """
[DEFAULT]
swift_dir = {home}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper s3api tempurl tempauth copy slo dlo versioned_writes proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:s3api]
use = egg:swift#s3api
[filter:tempurl]
use = egg:swift#tempurl
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {password} .admin
fernet_key_0 = {key}
active_fernet_key_id = 0
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


def backend(kind: str, app: str, home: Path) -> None:
    """Serve accounts, containers or objects, and write a ring of one device that leads the proxy there."""
    listener = eventlet.listen((HOST, 0))
    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    where = {"ip": HOST, "port": listener.getsockname()[1], "device": "disk"}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "meta": "", **where})
    builder.rebalance()
    builder.get_ring().save(str(home / f"{kind}.ring.gz"))
    eventlet.spawn(serve, listener, written(home / f"{kind}.conf", BACKEND.format(home=home, app=app)))


def serve(listener: Any, conf: str) -> None:
    wsgi.server(listener, loadapp(conf), log=logging.getLogger("wsgi"), log_output=False)


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def main(home: Path, port: int, account: str, user: str, password: str) -> None:
    (home / "devices" / "disk").mkdir(parents=True)
    utils.SWIFT_CONF_FILE = written(home / "swift.conf", CLUSTER)  # the default is below /etc
    utils.validate_configuration()
    storage_policy.reload_storage_policies()
    for kind, app in (("account", "account"), ("container", "container"), ("object", "mem_object")):
        backend(kind, app, home)
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    proxy = PROXY.format(home=home, account=account, user=user, password=password, key=key)
    serve(eventlet.listen((HOST, port)), written(home / "proxy.conf", proxy))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
