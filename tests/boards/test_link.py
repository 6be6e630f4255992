"""The link as the line sees it: requests bit by bit, replies bit by bit."""

import random

import numpy as np
import pytest
from link_bench import PIXEL_BYTES, RESULT_BYTES, WEIGHT_BYTES, LinkBench

from boards.link import protocol
from boards.link.protocol import ACCESS, END, ESC, VALUE, Kind, Status


def link(function):
    """A test that is a host."""
    def test():
        LinkBench().run(function)
    test.__doc__ = function.__doc__
    return test


def beats(count, size, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, size), dtype=np.uint8)


def numbers(data):
    return [int.from_bytes(row.tobytes(), "little") for row in data]


@link
async def test_registers_are_read_and_written(bench):
    await bench.open()
    assert await bench.good(Kind.READ, ACCESS.pack(0, 0)) == VALUE.pack(0x504C5950)
    await bench.good(Kind.WRITE, ACCESS.pack(0, 0xC0DBDCDD))
    assert await bench.good(Kind.READ, ACCESS.pack(0, 0)) == VALUE.pack(0xC0DBDCDD)
    assert (await bench.ask(Kind.READ, ACCESS.pack(8, 0))).status == Status.REFUSED
    assert (await bench.ask(Kind.WRITE, ACCESS.pack(8, 0))).status == Status.REFUSED


@link
async def test_segments_become_beats(bench):
    await bench.open()
    pixels, weights = beats(5, PIXEL_BYTES), beats(3, WEIGHT_BYTES)
    await bench.good(Kind.STREAM, protocol.segment(pixels[:4], first=True)
                     + protocol.segment(weights, last=True, weights=True))
    await bench.good(Kind.STREAM, protocol.segment(pixels[:0], first=True, last=True)
                     + protocol.segment(pixels[4:], last=True))
    await bench.wait(200)
    assert [data for data, *_ in bench.pixels] == numbers(pixels)
    assert [flags for _, *flags in bench.pixels] == [
        [n == 0, n == 4] for n in range(5)]
    assert bench.weights == [(data, False, n == 2) for n, data in enumerate(numbers(weights))]


@link
async def test_results_come_in_order_and_wait_where_nobody_asks(bench):
    await bench.open()
    data = beats(200, RESULT_BYTES)
    bench.results.extend(numbers(data))
    found = b""
    while len(found) < data.size:
        payload = await bench.good(Kind.STREAM)
        assert len(payload) <= 64
        found += payload
    assert found == data.tobytes()
    assert await bench.good(Kind.STREAM) == b""


@link
async def test_special_bytes_pass(bench):
    await bench.open()
    special = np.array([[END, ESC], [protocol.ESC_END, protocol.ESC_ESC]] * 3, np.uint8)
    bench.results.extend([END | ESC << 8 | protocol.ESC_ESC << 16] * 4)
    await bench.good(Kind.STREAM, protocol.segment(special))
    assert [data for data, *_ in bench.pixels] == numbers(special)
    assert await bench.good(Kind.STREAM) == bytes([END, ESC, protocol.ESC_ESC]) * 4


@link
async def test_what_is_sent_again_is_not_done_again(bench):
    """Neither beats nor results are doubled or lost, however often a request comes."""
    await bench.open()
    bench.results.extend(range(0x10101, 0x10131))
    await bench.good(Kind.STREAM)
    await bench.wait(500)
    payload = protocol.segment(beats(4, PIXEL_BYTES))
    first = await bench.ask(Kind.STREAM, payload)
    assert len(first.payload) == 64
    for _ in range(3):
        again = await bench.ask(Kind.STREAM, payload, number=bench.number)
        assert again.payload == first.payload
    assert len(bench.pixels) == 4
    following = await bench.good(Kind.STREAM)
    assert (first.payload + following)[:9] == bytes([1, 1, 1, 2, 1, 1, 3, 1, 1])[:9]
    bench.registers[0] = 5
    assert await bench.good(Kind.READ, ACCESS.pack(0, 0)) == VALUE.pack(5)
    bench.registers[0] = 6
    again = await bench.ask(Kind.READ, ACCESS.pack(0, 0), number=bench.number)
    assert again.payload == VALUE.pack(5)


@link
async def test_other_numbers_are_refused(bench):
    assert (await bench.ask(Kind.READ, ACCESS.pack(0, 0))).status == Status.NUMBER  # not open
    await bench.open()
    for ahead in (2, 100, 255):
        reply = await bench.ask(Kind.STREAM, protocol.segment(beats(1, PIXEL_BYTES)),
                                number=(bench.number + ahead) % 256)
        assert (reply.status, reply.payload) == (Status.NUMBER, b"")
    # another kind under the number of the last request
    assert (await bench.ask(Kind.STREAM, number=bench.number)).status == Status.NUMBER
    assert bench.pixels == []
    await bench.good(Kind.STREAM)


@link
async def test_more_than_there_is_room_for_is_refused_whole(bench):
    """The room that a reply tells of is there; of a byte more, nothing is done."""
    await bench.open()
    room = (await bench.ask(Kind.STREAM)).room
    assert room == 64
    fits = protocol.segment(beats(31, PIXEL_BYTES))
    assert len(fits) == room
    await bench.good(Kind.STREAM, fits)
    await bench.wait(2000)
    assert len(bench.pixels) == 31
    damaged = (await bench.ask(Kind.STREAM)).damaged
    assert await bench.ask(Kind.STREAM, fits + b"\0") is None    # longer than any packet
    bench.number -= 1
    assert (await bench.ask(Kind.STREAM)).damaged == damaged + 1
    assert len(bench.pixels) == 31


@link
async def test_payloads_of_another_length_are_refused(bench):
    await bench.open()
    for kind, payload in ((Kind.READ, b""), (Kind.READ, bytes(4)), (Kind.WRITE, bytes(6)),
                          (Kind.OPEN, b"\0"), (7, b"")):
        reply = await bench.ask(kind, payload)
        assert reply.status == Status.LENGTH
        bench.number -= 1
    await bench.good(Kind.STREAM)


@link
async def test_an_engine_that_does_not_answer_does_not_stop_the_link(bench):
    await bench.open()
    bench.registers[4] = None
    await bench.send(protocol.request(bench.number + 1, Kind.READ, ACCESS.pack(4, 0)))
    await bench.wait(4_200)
    assert protocol.reply(await bench.receive()).status == Status.SILENT
    assert (await bench.ask(Kind.STREAM)).status == Status.NUMBER
    await bench.open()
    assert bench.resets == 2


@link
async def test_open_forgets_everything_before(bench):
    await bench.open()
    bench.results.extend(range(3))
    payload = protocol.segment(beats(20, PIXEL_BYTES))
    await bench.send(protocol.request(bench.number + 1, Kind.STREAM, payload)[:-9])   # cut off
    bench.number = 77
    bench.results.clear()
    await bench.open()
    assert (bench.resets, bench.pixels) == (2, [])
    await bench.good(Kind.STREAM, protocol.segment(beats(2, PIXEL_BYTES)))
    await bench.wait(100)
    assert [data for data, *_ in bench.pixels] == numbers(beats(2, PIXEL_BYTES))


def _faults(rng, line):
    """A request as it could arrive, in which something is wrong."""
    place = int(rng.integers(1, len(line) - 1))
    kind = rng.choice(["flip", "drop", "double", "insert", "cut", "stop", "burst"])
    if kind == "flip":
        return line[:place] + bytes([line[place] ^ 1 << int(rng.integers(8))]) + line[place + 1:]
    if kind == "drop":
        return line[:place] + line[place + 1:]
    if kind == "double":
        return line[:place] + line[place:place + 1] + line[place:]
    if kind == "insert":
        return line[:place] + bytes([int(rng.integers(256))]) + line[place:]
    if kind == "cut":
        return line[:place]
    if kind == "stop":
        return [*line[:place], (line[place], 0), *line[place + 1:]]
    return line[:place] + rng.integers(0, 256, 7, np.uint8).tobytes() + line[place + 7:]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_requests_do_nothing(seed):
    """Each is without effect, is counted, and the request is fulfilled once it comes undamaged."""
    rng, sent = np.random.default_rng(seed), []

    async def host(bench):
        await bench.open()
        for n in range(8):
            data = beats(int(rng.integers(1, 6)), PIXEL_BYTES, seed=n)
            bench.number = (bench.number + 1) % 256
            line = protocol.request(bench.number, Kind.STREAM, protocol.segment(data))
            await bench.send(_faults(rng, line))
            assert await bench.receive() is None
            await bench.send(line)
            reply = protocol.reply(await bench.receive())
            assert (reply.status, reply.number) == (Status.OK, bench.number)
            assert reply.damaged >= n + 1
            sent.extend(numbers(data))
        await bench.wait(200)
        assert [data for data, *_ in bench.pixels] == sent
    LinkBench().run(host)


def test_clocks_of_any_ratio():
    for period in (0.13e-6, 1e-6, 7.3e-6):
        async def host(bench):
            await bench.open()
            data, results = beats(20, PIXEL_BYTES), beats(20, RESULT_BYTES)
            bench.results.extend(numbers(results))
            await bench.good(Kind.STREAM, protocol.segment(data))
            found = b""
            while len(found) < results.size:
                found += await bench.good(Kind.STREAM)
            assert found == results.tobytes()
            assert [value for value, *_ in bench.pixels] == numbers(data)
        LinkBench(engine_period=period).run(host)


def test_a_link_without_weights():
    async def host(bench):
        await bench.open()
        await bench.good(Kind.STREAM, protocol.segment(beats(2, WEIGHT_BYTES), weights=True)
                         + protocol.segment(beats(2, PIXEL_BYTES)))
        await bench.wait(200)
        assert len(bench.pixels) == 2
    LinkBench(weights=False).run(host)


def test_packets_round_trip():
    rng = random.Random(3)
    for _ in range(300):
        payload = bytes(rng.choices([END, ESC, 0, 255, 0xDC, 0xDD], k=rng.randrange(40)))
        body = protocol.REPLY.pack(len(payload), 3, 0x80 | Kind.READ << 4, 5, 6) + payload
        reply = protocol.reply(protocol.packet(body)[1:-1])
        assert reply == protocol.Reply(3, Kind.READ, Status.OK, 5, 6, payload)
