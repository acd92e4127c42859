"""What the folder store promises beyond the contract: many processes, kill -9, full disks, folders nobody may write."""

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

# What every child process starts with: `folder` and `png(seed)`.
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

def say(*words):
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
    """Run a child over a RAM disk of its own, seen by nobody else; skip where the system forbids that."""
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None:
        pytest.skip("needs Linux namespaces")
    folder.mkdir()
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={size} none "$1" || exit {CANNOT_MOUNT}; exec "$2" -c "$3" "$1"'
    command = [unshare, "--mount", *mapped, "sh", "-c", mount, "sh", str(folder), sys.executable, script(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == CANNOT_MOUNT or "unshare failed" in done.stderr:
        pytest.skip("this system lets nobody mount a small disk")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def parts_in(folder: Path) -> list[Path]:
    return list((folder / "incoming").glob("*"))


def test_files_stand_where_the_design_says(tmp_path: Path) -> None:
    """Bytes at `ab/<sha256>.<ext>`, read-only; the preview beside; nothing left in `incoming`."""
    asset = LocalFolderStore(tmp_path).put(png())
    stored = tmp_path / asset.sha256[:2] / f"{asset.sha256}.png"
    assert stored.read_bytes() == png()
    assert stat.S_IMODE(stored.stat().st_mode) & 0o222 == 0
    assert (tmp_path / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp").is_file()
    assert parts_in(tmp_path) == []


def test_opening_a_store_writes_nothing(tmp_path: Path) -> None:
    """A store over a folder that is not there answers, and makes the folder at the first put only."""
    store = LocalFolderStore(tmp_path / "deep" / "assets")
    assert not store.has("ab" * 32)
    assert list(store.assets()) == []
    assert list(tmp_path.iterdir()) == []


def test_stores_share_a_folder(tmp_path: Path) -> None:
    """What one store puts, another over the same folder finds, and does not write again."""
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


def test_a_file_is_hashed_once_and_again_when_it_changed(tmp_path: Path) -> None:
    """A change behind the store's back is noticed even after the file was handed out."""
    store = LocalFolderStore(tmp_path)
    path = store.path(store.put(png()).sha256)
    path.chmod(0o644)
    path.write_bytes(png(1))
    with pytest.raises(errors.CorruptAssetError, match=path.name):
        store.path(path.stem)


def test_verify_trusts_no_memory(tmp_path: Path) -> None:
    """A change that keeps size, time and inode escapes `path`, and not `verify`."""
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


def test_damage_found_by_the_next_process_is_healed_by_a_put(tmp_path: Path) -> None:
    """A put of bytes whose stored file was damaged replaces the file instead of trusting its name."""
    asset = LocalFolderStore(tmp_path).put(png())
    path = LocalFolderStore(tmp_path).path(asset.sha256)
    path.chmod(0o644)
    path.write_bytes(png()[:-1] + b"?")
    LocalFolderStore(tmp_path).put(png())
    assert path.read_bytes() == png()


def test_text_under_another_declared_type_is_found(tmp_path: Path) -> None:
    """Bytes that are stored already are found whatever extension they got first."""
    store = LocalFolderStore(tmp_path)
    text, data = store.put(b"[1]", media_type="text/plain"), store.put(b"[1]", media_type="application/json")
    assert (text.media_type, data.media_type) == ("text/plain", "application/json")
    assert store.path(data.sha256) == store.path(text.sha256)
    assert len(list(store.assets())) == 1


@pytest.mark.parametrize("cut", [None, b"", b"RIFF\x10\0\0\0WEBP", b"words"], ids=["missing", "empty", "cut", "other"])
def test_previews_come_back(tmp_path: Path, cut: bytes | None) -> None:
    """A preview that is missing or cut short is made again, and kept."""
    store = LocalFolderStore(tmp_path)
    asset = store.put(png())
    kept = tmp_path / "previews" / asset.sha256[:2] / f"{asset.sha256}.webp"
    made = kept.read_bytes()
    kept.unlink() if cut is None else kept.write_bytes(cut)
    assert LocalFolderStore(tmp_path).preview(asset) == made
    assert kept.read_bytes() == made


def test_a_preview_outlives_its_bytes(tmp_path: Path) -> None:
    """Lost bytes still show their preview; without one there is nothing to show, and no error."""
    store = LocalFolderStore(tmp_path)
    asset = store.put(png())
    store.path(asset.sha256).unlink()
    assert store.preview(asset) is not None
    assert store.preview(Asset("ab" * 32, "image/png", 9)) is None


def test_stale_parts_are_swept_at_open(tmp_path: Path) -> None:
    """Part files older than a day go when a store opens; younger ones may still be written to."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age_h in (("old.part", 25), ("young.part", 23), ("other.txt", 25)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (time.time() - age_h * 3600,) * 2)
    LocalFolderStore(tmp_path)
    assert sorted(path.name for path in parts_in(tmp_path)) == ["other.txt", "young.part"]


def test_four_processes_put_one_content(tmp_path: Path) -> None:
    """Processes that store the same bytes at once all get the asset; one whole file is there."""
    body = """
        data = [png(seed) for seed in range(12)]
        store = LocalFolderStore(folder)
        say("ready")
        sys.stdin.readline()
        say(*[store.put(one).sha256 for one in data])
    """
    children = [child(body, tmp_path) for _ in range(4)]
    for one in children:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in children:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = {one.communicate(timeout=120)[0] for one in children}
    assert [one.returncode for one in children] == [0] * 4
    store = LocalFolderStore(tmp_path)
    assert len(answers) == 1
    assert sorted(answers.pop().split()) == sorted(file.sha256 for file in store.assets())
    for file in store.assets():
        store.verify(file.sha256)
    assert parts_in(tmp_path) == []


def test_kill_in_the_middle_of_a_put_shows_nothing(tmp_path: Path) -> None:
    """SIGKILL half way through a stream leaves no visible file, and what it leaves is swept in time."""
    body = """
        def stream():
            data = png(0)
            yield data[:len(data) // 2]
            say("middle")
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


def test_kill_at_any_moment_loses_no_acknowledged_asset(tmp_path: Path) -> None:
    """Every asset that `put` returned before a SIGKILL is there and whole; so is every file that is visible."""
    body = """
        store = LocalFolderStore(folder)
        start = int(sys.stdin.readline())
        for seed in range(start, start + 1000):
            say(store.put(png(seed, 64)).sha256)
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
    kept = store.put(small)
    for source in (large, iter([large[:9000], large[9000:]])):
        try:
            store.put(source)
        except errors.DiskFullError as error:
            say("full", str(folder) in str(error), "FUSIONFLOW_HOME" in str(error))
    say(*[path.name for path in (folder / "incoming").iterdir()])
    say(*[file.sha256 == kept.sha256 for file in store.assets()])
    store.verify(kept.sha256)
    say(store.put(png(3, 64)).media_type)
"""
TOLD = ["full True True", "full True True", "", "True", "image/png"]


def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    """On a full disk: DiskFullError with the folder and the setting, no part left, what was stored intact."""
    assert run_in_small_disk(FULL_DISK, tmp_path / "disk", size="512k") == TOLD


def test_an_export_on_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    """A recipe copy that meets a full disk, picture or film, raises DiskFullError and leaves the target as it was."""
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
                say("full", str(folder) in str(error), [path.name for path in folder.iterdir()], target.read_bytes())
    """
    told = run_in_small_disk(body, tmp_path / "disk", size="256k")
    assert told == ["full True ['target'] b'precious'"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    """The same where the system limits how large a file may get."""
    limited = "import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    with child(f"    {limited}{FULL_DISK}", tmp_path / "assets") as process:
        told, _ = process.communicate(timeout=120)
    assert (process.returncode, told.splitlines()) == (0, TOLD)


def test_a_read_only_disk_is_unwritable_and_readable(tmp_path: Path) -> None:
    """On a read-only disk a put raises UnwritableError with the folder and the setting; reading goes on."""
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
            say("refused", str(folder) in str(error), "FUSIONFLOW_HOME" in str(error))
        say(store.path(asset.sha256).read_bytes() == png(0), store.put(png(0)) == asset, len(list(store.assets())))
        say(store.preview(asset)[:4], preview.exists())
    """
    told = run_in_small_disk(body, tmp_path / "disk", size="4m")
    assert told == ["refused True True", "True True 1", "b'RIFF' False"]


@pytest.mark.parametrize("below", ["", "assets", "deep/assets"])
def test_a_folder_that_cannot_be_is_unwritable(tmp_path: Path, below: str) -> None:
    """Where a file stands in the way of the folder, a put raises UnwritableError, and a listing says why."""
    (tmp_path / "file").write_bytes(b"in the way")
    store = LocalFolderStore(tmp_path / "file" / below)
    with pytest.raises(errors.UnwritableError, match=r"file.*FUSIONFLOW_HOME"):
        store.put(png())
    assert not store.has("ab" * 32)
    with pytest.raises(errors.StoreError, match="Not a directory"):
        list(store.assets())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_unwritable(tmp_path: Path) -> None:
    """A folder that may not be written raises UnwritableError."""
    tmp_path.chmod(0o555)
    with pytest.raises(errors.UnwritableError, match="FUSIONFLOW_HOME"):
        LocalFolderStore(tmp_path / "assets").put(png())


def test_a_large_stream_needs_little_memory(tmp_path: Path) -> None:
    """Bytes flow through in chunks: 100 MB of sound raise the peak of a process by far less."""
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
        say(asset.media_type, asset.duration_s, grown_kb < 40_000)
    """
    if sys.platform != "linux":
        pytest.skip("counts memory in Linux units")
    with child(body, tmp_path) as process:
        told, _ = process.communicate(timeout=300)
    assert told == "audio/wav 520.833333 True\n"


def test_a_put_flushes_file_and_folder_before_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is flushed before it gets its name, and its folder after: a power cut keeps all or nothing."""
    happened: list[str] = []
    flush, rename = os.fsync, Path.replace

    def noted_flush(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        happened.append(f"flush {kind}")
        flush(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        happened.append(f"rename {target.suffix}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_rename)
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    LocalFolderStore(tmp_path).put(stream.getvalue())
    assert happened == ["flush file", "flush folder", "rename .png", "flush folder", "rename .webp"]
