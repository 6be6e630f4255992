"""The host tool at the serial port of an emulated board, and what can happen to both."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest
import serial
from emulated import board
from PIL import Image

from boards.emulate import serve, terminal
from boards.host import upscale
from boards.session import Session
from golden.model import forward
from sim.picture import read_picture

SIDE = 12
BAUD = 3_000_000
SILENCE = 0.4       # seconds


@pytest.fixture(scope="module")
def emulated(tmp_path_factory, model_cache):
    """(`Design`, `Emulation`) of an iCEBreaker that doubles a picture."""
    return board("icebreaker", tmp_path_factory.mktemp("board"), model_cache, baud=BAUD,
                 k="4", s="2", height=SIDE, width=SIDE)


@contextlib.contextmanager
def served(emulation, **line):
    """The name of the serial port of a board, while it runs in a thread."""
    stop = threading.Event()
    with terminal(None) as (file, name):
        thread = threading.Thread(target=serve, args=(emulation, file), daemon=True,
                                  kwargs=line | {"until": stop.is_set})
        thread.start()
        try:
            yield name
        finally:
            stop.set()
            thread.join()


def connect(name):
    return serial.Serial(name, timeout=SILENCE, exclusive=True)


def picture(seed, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (1, side, side), np.uint8)


def wanted(design, pixels):
    return forward(design.spec, design.tensors, pixels.astype(np.int64)).astype(np.uint8)


def host(name, *arguments, folder, wait=True):
    """Run the tool in a folder: (exit code, output, errors)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "boards.host", "--port", name, *map(str, arguments)],
        cwd=folder, env={**os.environ, "PYTHONPATH": os.getcwd()}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if not wait:
        return process
    out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors


def test_a_picture_through_the_tool(emulated, tmp_path):
    """The command as a user calls it finds the manifest by the digest that the board tells."""
    design, emulation = emulated
    (tmp_path / "build" / "it").mkdir(parents=True)
    for file in design.path.parent.iterdir():
        shutil.copy(file, tmp_path / "build" / "it")
    for name, text in (("a.board.json", f'{{"digest": "{design.manifest.digest}"}}'),
                       ("b.json", '{"digest": null}'), ("c.json", "no JSON")):
        (tmp_path / "build" / name).write_text(text)
    pixels = picture(1)
    Image.fromarray(pixels[0]).save(tmp_path / "small.png")
    with served(emulation) as name:
        code, out, errors = host(name, "small.png", "-o", "big.png", "--check", folder=tmp_path)
    assert (code, errors) == (0, "")
    assert f"all {4 * SIDE**2:,} values equal to golden" in out
    np.testing.assert_array_equal(read_picture(tmp_path / "big.png"), wanted(design, pixels))


@pytest.mark.parametrize("bytes_until", [30, 200, 500])
def test_a_host_that_is_killed_in_the_middle_leaves_nothing_behind(emulated, tmp_path, bytes_until):
    design, emulation = emulated
    Image.fromarray(picture(2)[0]).save(tmp_path / "small.png")
    passed = []
    with terminal(None) as (side, name):
        process = host(name, "small.png", "--manifest", design.path, "-o", "big.png",
                       folder=tmp_path, wait=False)

        def count(found):
            passed.extend(found)
            if len(passed) > bytes_until:
                process.kill()
            return bytes(found)
        serve(emulation, side, to_host=count, until=lambda: process.poll() is not None)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "big.png").exists()
    with served(emulation) as name, connect(name) as port:
        result, _ = upscale(Session(port), design, picture(3))
    np.testing.assert_array_equal(result, wanted(design, picture(3)))


def test_a_cable_that_is_pulled_in_the_middle(emulated):
    """The host gives up with a reason; as soon as the cable is in again, all is well."""
    design, emulation = emulated
    pulled, passed = threading.Event(), []

    def to_host(found):
        passed.extend(found)
        if len(passed) > 300:
            pulled.set()
        return b"" if pulled.is_set() else bytes(found)

    def to_board(line):
        return [] if pulled.is_set() else list(line)
    with served(emulation, to_host=to_host, to_board=to_board) as name:
        with connect(name) as port:
            session = Session(port)
            with pytest.raises(RuntimeError, match="the board is silent"):
                upscale(session, design, picture(4))
        pulled.clear()
        passed.clear()
        with connect(name) as port:
            result, report = upscale(Session(port), design, picture(4)[:, :4, :4], check=True)
    np.testing.assert_array_equal(result, wanted(design, picture(4)[:, :4, :4]))
    assert "mended" not in report


def test_noise_on_the_line_is_mended(emulated):
    design, emulation = emulated
    rng = np.random.default_rng(5)

    def disturb(line):
        line = list(line)
        if rng.random() < 0.2:
            line[int(rng.integers(len(line)))] ^= 1 << int(rng.integers(8))
        return line
    with served(emulation, to_board=disturb) as name, connect(name) as port:
        result, report = upscale(Session(port), design, picture(6), check=True)
    np.testing.assert_array_equal(result, wanted(design, picture(6)))
    assert "damaged requests" in report


def test_an_unplugged_adapter(emulated, tmp_path):
    """The port itself goes away in the middle: no output, and a line that says why."""
    design, emulation = emulated
    Image.fromarray(picture(2)[0]).save(tmp_path / "small.png")
    stop, passed = threading.Event(), []

    def count(found):
        passed.extend(found)
        if len(passed) > 300:
            stop.set()
        return bytes(found)
    with terminal(None) as (file, name):
        process = host(name, "small.png", "--manifest", design.path, "-o", "big.png",
                       folder=tmp_path, wait=False)
        serve(emulation, file, to_host=count, until=stop.is_set)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "is gone" in errors
    assert not (tmp_path / "big.png").exists()


@pytest.mark.parametrize("say", [b"$GPGGA,123519,4807.038,N\r\n", b"\xc0\x00\xc0"])
def test_a_port_that_talks_all_the_time(say):
    """Something else is at it."""
    stop = threading.Event()

    def talk(side):
        while not stop.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                os.write(side, say)
    with terminal(None) as (side, name), connect(name) as port:
        thread = threading.Thread(target=talk, args=(side,))
        thread.start()
        with pytest.raises(RuntimeError, match="talks all the time"):
            Session(port)
        stop.set()
        thread.join()


@pytest.mark.parametrize("call", ["write", "flush", "read", "in_waiting"])
def test_every_use_of_a_port_can_be_the_one_that_finds_it_gone(call):
    class Gone:
        timeout = 1
        in_waiting = property(lambda self: self._use("in_waiting", 1))

        def __init__(self):
            self.answers = [b"", b"\xc0"]

        def write(self, line):
            return self._use("write", len(line))

        def flush(self):
            return self._use("flush", None)

        def read(self, size):
            return self._use("read", self.answers.pop(0) if self.answers else b"")

        @staticmethod
        def _use(name, result):
            if name == call:
                raise termios.error(5, "Input/output error") if name == "flush" else OSError(5)
            return result
    with pytest.raises(RuntimeError, match="the port is gone"):
        Session(Gone())


@pytest.mark.parametrize("arguments, code, message", [
    (["--port", "/dev/nothing"], 2, "port must be one that exists"),
    (["--port", "PORT", "--timeout", "0"], 2, "timeout must be positive, and at most 3600 s"),
    (["--port", "PORT", "--timeout", "inf"], 2, "timeout must be positive, and at most 3600 s"),
    (["--port", "PORT", "--manifest", "README"], 2, "manifest must be one that hw.gen wrote"),
    (["--port", "PORT", "--baud", "-1"], 2, "baud must be a rate of"),
    (["--port", "PORT", "--timeout", "0.02"], 1, "the board is silent"),
    (["--port", "README"], 2, "port must be a serial port that no other program uses"),
])
def test_errors(arguments, code, message, tmp_path):
    Image.fromarray(picture(7)[0]).save(tmp_path / "small.png")
    (tmp_path / "README").touch()
    with terminal(None) as (_, name):
        arguments = [name if word == "PORT" else word for word in arguments]
        found, out, errors = host(arguments[1], "small.png", *arguments[2:], folder=tmp_path)
    assert (found, out, errors.count("\n")) == (code, "", 1)
    assert errors.startswith("error: ") and message in errors


def test_another_design_than_the_manifest_says(emulated, generate, tmp_path):
    _, emulation = emulated
    Image.fromarray(picture(7)[0]).save(tmp_path / "small.png")
    other = generate(k="2", s="2")
    with served(emulation) as name:
        code, _, errors = host(name, "small.png", "--manifest", other.path, folder=tmp_path)
        assert (code, "manifest must be that of the engine on the board" in errors) == (2, True)
        code, _, errors = host(name, "small.png", folder=tmp_path)
        assert (code, "none below build/ has the digest" in errors) == (2, True)


def test_the_emulator_as_a_command(tmp_path, model_cache):
    """Weights are loaded over the line, too, and the engine has a clock of its own."""
    Image.fromarray(picture(8, 6)[0]).save(tmp_path / "small.png")
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "POLYPHASE_CACHE": str(model_cache)}
    process = subprocess.Popen(
        [sys.executable, "-m", "boards.emulate", "ulx3s-25f", "--k", "2", "--s", "2", "--loadable",
         "--height", "6", "--width", "6", "--port", "tty", "--clock", "41"],
        cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE)
    try:
        for line in process.stdout:
            if "at port tty" in line:
                break
        assert "engine at 40.9" in line or "engine at 41" in line
        code, out, errors = host("tty", "small.png", "--check", folder=tmp_path)
        assert (code, errors) == (0, "")
        assert "6x6 to 12x12" in out
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not (tmp_path / "tty").exists()
