"""The local store beyond the contract: several processes, SIGKILL, full disks, unwritable folders."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.media import picture
from fusionflow_nb.media.values import Asset

# Prepended to every child process: `folder` and `png(seed)`.
PREAMBLE = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from fusionflow_nb import errors
from fusionflow_nb.assets.local import LocalFolderStore
from fusionflow_nb.media import picture

folder = Path(sys.argv[1])

def png(seed, side=200):
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return picture.encode_png(Image.fromarray(noise))

def report(*words):
    print(*words, flush=True)
"""
CANNOT_MOUNT = 77


def png(seed: int = 0, side: int = 200) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return picture.encode_png(Image.fromarray(noise))


def script(body: str) -> str:
    return PREAMBLE + textwrap.dedent(body)


def child(body: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script(body), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_in_small_disk(body: str, folder: Path, *, size: str) -> list[str]:
    """Run a child process with a private RAM disk; skip where the system forbids mounts."""
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None:
        pytest.skip("needs Linux namespaces")
    folder.mkdir()
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={size} none "$1" || exit {CANNOT_MOUNT}; exec "$2" -c "$3" "$1"'
    command = [unshare, "--mount", *mapped, "sh", "-c", mount, "sh", str(folder), sys.executable, script(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == CANNOT_MOUNT or "unshare failed" in done.stderr:
        pytest.skip("this system does not allow mounts")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def parts_in(folder: Path) -> list[Path]:
    return list((folder / "incoming").glob("*"))


def test_files_have_the_documented_paths(tmp_path: Path) -> None:
    """Bytes at `ab/<sha256>.<ext>`, read-only, with their preview; `incoming` is empty."""
    asset = LocalFolderStore(tmp_path).put(png())
    stored = tmp_path / asset.sha256[:2] / f"{asset.sha256}.png"
    assert stored.read_bytes() == png()
    assert stat.S_IMODE(stored.stat().st_mode) & 0o222 == 0
    assert (tmp_path / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp").is_file()
    assert parts_in(tmp_path) == []


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    """A store over a missing folder can be queried, and creates the folder at the first put."""
    store = LocalFolderStore(tmp_path / "deep" / "assets")
    assert not store.has("ab" * 32)
    assert list(store.assets()) == []
    assert list(tmp_path.iterdir()) == []


def test_stores_share_a_folder(tmp_path: Path) -> None:
    """A second store over the same folder finds the asset, and does not write it again."""
    asset = LocalFolderStore(tmp_path).put(png())
    before = LocalFolderStore(tmp_path).path(asset.sha256).stat()
    LocalFolderStore(tmp_path).put(png())
    after = LocalFolderStore(tmp_path).path(asset.sha256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_listing_and_size(tmp_path: Path) -> None:
    """`assets` lists each stored file once and nothing else; `size_bytes` is their sum."""
    store = LocalFolderStore(tmp_path)
    stored = {asset.sha256: asset.size_bytes for asset in (store.put(png(seed, 20)) for seed in range(5))}
    (tmp_path / "ab").mkdir(exist_ok=True)
    for stray in ("notes.txt", "ab/notes.txt", f"ab/{'cd' * 32}.png", "incoming/x.part"):
        (tmp_path / stray).write_bytes(b"stray")
    (tmp_path / "ab" / f"{'ab' * 32}.png").symlink_to(tmp_path / "notes.txt")
    assert {file.sha256: file.size_bytes for file in store.assets()} == stored
    assert all(file.path.stat().st_size == file.size_bytes for file in store.assets())
    assert store.size_bytes() == sum(stored.values())


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    """A file changed from outside is detected even after it was verified."""
    store = LocalFolderStore(tmp_path)
    path = store.path(store.put(png()).sha256)
    path.chmod(0o644)
    path.write_bytes(png(1))
    with pytest.raises(errors.CorruptAssetError, match=path.name):
        store.path(path.stem)


def test_verify_always_hashes(tmp_path: Path) -> None:
    """A change that keeps size, time and inode is missed by `path`, but not by `verify`."""
    store = LocalFolderStore(tmp_path)
    path = store.path(store.put(png()).sha256)
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.path(path.stem) == path
    with pytest.raises(errors.CorruptAssetError):
        store.verify(path.stem)
    with pytest.raises(errors.LostAssetError):
        store.verify("ab" * 32)


def test_a_put_replaces_a_damaged_file(tmp_path: Path) -> None:
    """A put of bytes whose stored file is damaged replaces the file."""
    asset = LocalFolderStore(tmp_path).put(png())
    path = LocalFolderStore(tmp_path).path(asset.sha256)
    path.chmod(0o644)
    path.write_bytes(png()[:-1] + b"?")
    LocalFolderStore(tmp_path).put(png())
    assert path.read_bytes() == png()


def test_stored_text_is_found_under_another_type(tmp_path: Path) -> None:
    """Stored bytes are found, whatever the extension of their file."""
    store = LocalFolderStore(tmp_path)
    text, data = store.put(b"[1]", media_type="text/plain"), store.put(b"[1]", media_type="application/json")
    assert (text.media_type, data.media_type) == ("text/plain", "application/json")
    assert store.path(data.sha256) == store.path(text.sha256)
    assert len(list(store.assets())) == 1


@pytest.mark.parametrize("cut", [None, b"", b"RIFF\x10\0\0\0WEBP", b"words"], ids=["missing", "empty", "cut", "other"])
def test_missing_previews_are_rendered_again(tmp_path: Path, cut: bytes | None) -> None:
    """A missing or truncated preview is rendered again and stored."""
    store = LocalFolderStore(tmp_path)
    asset = store.put(png())
    path = tmp_path / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp"
    preview = path.read_bytes()
    path.unlink() if cut is None else path.write_bytes(cut)
    assert LocalFolderStore(tmp_path).preview(asset) == preview
    assert path.read_bytes() == preview


def test_a_preview_outlives_its_bytes(tmp_path: Path) -> None:
    """Lost bytes still have their preview; without a preview None is returned."""
    store = LocalFolderStore(tmp_path)
    asset = store.put(png())
    store.path(asset.sha256).unlink()
    assert store.preview(asset) is not None
    assert store.preview(Asset("ab" * 32, "image/png", 9)) is None


def test_stale_parts_are_deleted_at_open(tmp_path: Path) -> None:
    """Opening a store deletes part files older than a day; newer files may still be written."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age_h in (("old.part", 25), ("young.part", 23), ("other.txt", 25)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (time.time() - age_h * 3600,) * 2)
    LocalFolderStore(tmp_path)
    assert sorted(path.name for path in parts_in(tmp_path)) == ["other.txt", "young.part"]


def test_processes_store_equal_bytes_once(tmp_path: Path) -> None:
    """Processes that store equal bytes concurrently all get the asset; one complete file is stored."""
    body = """
        data = [png(seed) for seed in range(12)]
        store = LocalFolderStore(folder)
        report("ready")
        sys.stdin.readline()
        report(*[store.put(item).sha256 for item in data])
    """
    children = [child(body, tmp_path) for _ in range(4)]
    for process in children:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=120)[0] for process in children}
    assert [process.returncode for process in children] == [0] * 4
    store = LocalFolderStore(tmp_path)
    assert len(answers) == 1
    assert sorted(answers.pop().split()) == sorted(file.sha256 for file in store.assets())
    for file in store.assets():
        store.verify(file.sha256)
    assert parts_in(tmp_path) == []


def test_a_killed_put_publishes_nothing(tmp_path: Path) -> None:
    """SIGKILL during a put leaves no visible file; its part file is deleted after a day."""
    body = """
        def stream():
            data = png(0)
            yield data[:len(data) // 2]
            report("middle")
            sys.stdin.readline()
            yield data[len(data) // 2:]
        LocalFolderStore(folder).put(stream())
    """
    with child(body, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "middle\n"
        process.kill()
    store = LocalFolderStore(tmp_path)
    assert list(store.assets()) == []
    [part] = parts_in(tmp_path)
    os.utime(part, (0, 0))
    asset = LocalFolderStore(tmp_path).put(png())
    assert parts_in(tmp_path) == []
    assert LocalFolderStore(tmp_path).path(asset.sha256).read_bytes() == png()


def test_a_kill_loses_no_acknowledged_asset(tmp_path: Path) -> None:
    """Every asset that `put` returned before a SIGKILL is stored and complete, as is every visible file."""
    body = """
        store = LocalFolderStore(folder)
        start = int(sys.stdin.readline())
        for seed in range(start, start + 1000):
            report(store.put(png(seed, 64)).sha256)
    """
    acknowledged = []
    for turn in range(4):
        with child(body, tmp_path) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{turn * 1000}\n")
            process.stdin.flush()
            acknowledged += [process.stdout.readline().strip() for _ in range(3 + 5 * turn)]
            process.kill()
    store = LocalFolderStore(tmp_path)
    for sha256 in acknowledged:
        store.verify(sha256)
    for file in store.assets():
        store.verify(file.sha256)
    assert {file.sha256 for file in store.assets()} >= set(acknowledged)


FULL_DISK = """
    small, large = png(1, 64), png(2, 600)
    store = LocalFolderStore(folder)
    stored = store.put(small)
    for source in (large, iter([large[:9000], large[9000:]])):
        try:
            store.put(source)
        except errors.DiskFullError as error:
            report("full", str(folder) in str(error), "FUSIONFLOW_HOME" in str(error))
    report(*[path.name for path in (folder / "incoming").iterdir()])
    report(*[file.sha256 == stored.sha256 for file in store.assets()])
    store.verify(stored.sha256)
    report(store.put(png(3, 64)).media_type)
"""
FULL_DISK_OUTPUT = ["full True True", "full True True", "", "True", "image/png"]


def test_a_full_disk_stores_nothing_and_is_reported(tmp_path: Path) -> None:
    """DiskFullError names folder and setting, no part file remains, stored files are intact."""
    assert run_in_small_disk(FULL_DISK, tmp_path / "disk", size="512k") == FULL_DISK_OUTPUT


def test_an_export_to_a_full_disk_is_reported(tmp_path: Path) -> None:
    """Embedding a recipe on a full disk raises DiskFullError and leaves the target unchanged."""
    body = """
        from fusionflow_nb.assets import recipe
        from fusionflow_nb.media import video
        source, target = Path(sys.argv[1]).parent / "source", folder / "target"
        target.write_bytes(b"precious")
        frames = [np.random.default_rng(index).integers(0, 256, (480, 480, 3), dtype=np.uint8) for index in range(6)]
        video.write_video(source.with_suffix(".mp4"), frames, fps=6, width=480, height=480, codec="h264")
        source.with_suffix(".png").write_bytes(png(2, 600))
        for kind in (".mp4", ".png"):
            try:
                recipe.embed_file(source.with_suffix(kind), target, {"seed": 7})
            except errors.DiskFullError as error:
                report("full", str(folder) in str(error), [path.name for path in folder.iterdir()], target.read_bytes())
    """
    lines = run_in_small_disk(body, tmp_path / "disk", size="256k")
    assert lines == ["full True ['target'] b'precious'"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    """The same where the system limits the size of a file."""
    limited = "import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    with child(f"    {limited}{FULL_DISK}", tmp_path / "assets") as process:
        output, _ = process.communicate(timeout=120)
    assert (process.returncode, output.splitlines()) == (0, FULL_DISK_OUTPUT)


def test_a_read_only_disk_can_still_be_read(tmp_path: Path) -> None:
    """A put raises UnwritableError with the folder and the setting; reading works."""
    body = """
        import subprocess
        asset = LocalFolderStore(folder / "assets").put(png(0))
        preview = folder / "assets" / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp"
        preview.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        store = LocalFolderStore(folder / "assets")
        try:
            store.put(png(1))
        except errors.UnwritableError as error:
            report("refused", str(folder) in str(error), "FUSIONFLOW_HOME" in str(error))
        report(store.path(asset.sha256).read_bytes() == png(0), store.put(png(0)) == asset, len(list(store.assets())))
        report(store.preview(asset)[:4], preview.exists())
    """
    lines = run_in_small_disk(body, tmp_path / "disk", size="4m")
    assert lines == ["refused True True", "True True 1", "b'RIFF' False"]


@pytest.mark.parametrize("below", ["", "assets", "deep/assets"])
def test_an_impossible_folder_is_unwritable(tmp_path: Path, below: str) -> None:
    """If a file has the folder's path, a put raises UnwritableError, and listing names the reason."""
    (tmp_path / "file").write_bytes(b"in the way")
    store = LocalFolderStore(tmp_path / "file" / below)
    with pytest.raises(errors.UnwritableError, match=r"file.*FUSIONFLOW_HOME"):
        store.put(png())
    assert not store.has("ab" * 32)
    with pytest.raises(errors.StoreError, match="Not a directory"):
        list(store.assets())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_unwritable(tmp_path: Path) -> None:
    """A folder without write permission raises UnwritableError."""
    tmp_path.chmod(0o555)
    with pytest.raises(errors.UnwritableError, match="FUSIONFLOW_HOME"):
        LocalFolderStore(tmp_path / "assets").put(png())


def test_a_large_stream_needs_little_memory(tmp_path: Path) -> None:
    """Bytes pass in chunks: 100 MB of audio raise the peak memory by far less."""
    body = """
        import resource, struct
        size = 100_000_000
        form = struct.pack("<IHHIIHH", 16, 1, 2, 48000, 192000, 4, 16)
        head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + form
        def stream():
            yield head + b"data" + struct.pack("<I", size)
            for _ in range(100):
                yield bytes(1_000_000)
        store = LocalFolderStore(folder)
        store.put(png(0))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        asset = store.put(stream())
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        report(asset.media_type, asset.duration_s, grown_kb < 40_000)
    """
    if sys.platform != "linux":
        pytest.skip("counts memory in Linux units")
    with child(body, tmp_path) as process:
        output, _ = process.communicate(timeout=300)
    assert output == "audio/wav 520.833333 True\n"


def test_a_put_flushes_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is flushed before it is renamed, and its folder afterwards, so that it survives a power failure."""
    calls: list[str] = []
    flush, rename = os.fsync, Path.replace

    def record_flush(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"flush {kind}")
        flush(descriptor)

    def record_rename(self: Path, target: Path) -> Path:
        calls.append(f"rename {target.suffix}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", record_flush)
    monkeypatch.setattr(Path, "replace", record_rename)
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    LocalFolderStore(tmp_path).put(stream.getvalue())
    assert calls == ["flush file", "flush folder", "rename .png", "flush folder", "rename .webp"]
