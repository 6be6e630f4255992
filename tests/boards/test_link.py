"""What the link does with requests: on an emulated board, and without an engine."""

import random

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator
from emulated import SILENCE, Port, board, check_frame

from boards.link import protocol
from boards.link.link import Link
from boards.link.protocol import ACCESS, END, ESC, VALUE, Damaged, Kind, Status
from boards.link.uart import divisor
from boards.session import Session
from hw.engine.registers import IDENTITY, REGISTERS

SIDE = 16
RING = 512          # bytes, of an iCE40
DIVISOR = 4
CYCLE = 1e-6        # seconds
ADDRESS = {name: address for name, (address, *_) in REGISTERS.items()}


class Host:
    """Sends requests of any kind, right and wrong ones."""

    def __init__(self, design, emulation):
        self.design, self.port, self.number = design, Port(emulation), 9

    def send(self, kind, payload=b"", number=None):
        """The reply, or None; with the next number by default."""
        if number is None:
            self.number = number = (self.number + 1) % 256
        self.port.write(protocol.request(number, kind, payload))
        self.port.flush()
        line = self.port.read(1)
        if not line:
            return None
        reply = protocol.reply(line.strip(bytes([END])))
        assert (reply.number, reply.kind) == (number, kind % 4)
        return reply

    def good(self, kind, payload=b""):
        reply = self.send(kind, payload)
        assert reply.status == Status.OK
        return reply

    def register(self, name):
        return VALUE.unpack(self.good(Kind.READ, ACCESS.pack(ADDRESS[name], 0)).payload)[0]

    def rest(self):
        """Time for the engine to fill the ring: four cycles a byte, two of them in one of ours."""
        for _ in range(2 * RING // SILENCE + 1):
            assert self.port.read(1) == b""

    def frame(self, seed):
        """(segments of a frame, a line each; all bytes that are to come)."""
        codes = self.design.random_frame(np.random.default_rng(seed))
        data, *_ = self.design.input_beats(codes)
        lines = [protocol.segment(line, first=n == 0, last=True)
                 for n, line in enumerate(data.reshape(SIDE, SIDE, 1))]
        return lines, self.design.output_beats(self.design.expected_codes(codes))[0].tobytes()


@pytest.fixture(scope="module")
def emulated(tmp_path_factory, model_cache):
    """(`Design`, `Emulation`) of a small layer."""
    return board("icebreaker", tmp_path_factory.mktemp("board"), model_cache, baud=3_000_000,
                 k="4", s="2", height=SIDE, width=SIDE)


@pytest.fixture
def host(emulated):
    """A `Host` that has opened the link."""
    host = Host(*emulated)
    assert host.good(Kind.OPEN).payload == VALUE.pack(protocol.VERSION)
    return host


def test_registers(host):
    assert host.register("identity") == IDENTITY
    special = int.from_bytes(bytes([END, ESC, protocol.ESC_END, protocol.ESC_ESC]), "little")
    for value in (SIDE - 1, special):
        host.good(Kind.WRITE, ACCESS.pack(ADDRESS["height"], value))
    assert host.register("height") == SIDE - 1      # the other one is too large
    assert host.register("status") >> 8
    for kind, address in ((Kind.READ, 0x3C), (Kind.WRITE, 0x3C), (Kind.WRITE, ADDRESS["identity"]),
                          (Kind.READ, 0x40), (Kind.WRITE, 0x50), (Kind.READ, 0xC8)):
        assert host.send(kind, ACCESS.pack(address, 1)).status == Status.REFUSED


def test_results_wait_until_they_are_asked_for(host):
    """The engine stops when the ring is full, and no request gets more than is there."""
    lines, wanted = host.frame(1)
    found, sizes = host.good(Kind.STREAM, b"".join(lines)).payload, []
    while len(found) < len(wanted):
        host.rest()
        payload = host.good(Kind.STREAM).payload
        sizes.append(len(payload))
        found += payload
    assert found == wanted
    assert sizes[0] == RING
    assert host.good(Kind.STREAM).payload == b""
    assert host.register("frames") == 1


def test_what_is_sent_again_is_not_done_again(host):
    """Neither beats nor results are doubled or lost, however often a request comes."""
    lines, wanted = host.frame(2)
    found, longest = b"", 0
    while len(found) < len(wanted):
        line = lines.pop(0) if lines else b""
        first = host.good(Kind.STREAM, line)
        for _ in range(2):
            again = host.send(Kind.STREAM, line, number=host.number)
            assert again.payload == first.payload
        found, longest = found + first.payload, max(longest, len(first.payload))
    assert found == wanted
    assert longest > 50
    clock = host.register("clock")
    again = host.send(Kind.READ, ACCESS.pack(ADDRESS["clock"], 0), number=host.number)
    assert VALUE.unpack(again.payload) == (clock,)
    assert host.register("clock") > clock


def test_other_numbers_are_refused(host):
    line = host.frame(3)[0][0]
    for ahead in (2, 100, 255):
        reply = host.send(Kind.STREAM, line, number=(host.number + ahead) % 256)
        assert (reply.status, reply.payload) == (Status.NUMBER, b"")
    host.register("identity")
    # another kind under the number of the last request
    assert host.send(Kind.STREAM, line, number=host.number).status == Status.NUMBER
    assert host.good(Kind.STREAM).room == RING
    assert host.register("status") & 1      # nothing has begun


def test_more_than_there_is_room_for_is_refused_whole(host):
    """While the engine waits for its results to be taken, the room is small, and exact."""
    (lines, wanted), (more, then) = host.frame(4), host.frame(5)
    found = host.good(Kind.STREAM, b"".join(lines + more[:12])).payload
    host.rest()
    refused = host.send(Kind.STREAM, b"".join(lines))
    assert (refused.status, refused.payload) == (Status.ROOM, b"")
    nothing = protocol.segment(np.zeros((0, 1), np.uint8))
    host.number -= 1
    for count in (refused.room // 2 + 1, refused.room // 2):
        reply = host.send(Kind.STREAM, nothing * count)
        assert reply.status == (Status.ROOM if 2 * count > refused.room else Status.OK)
        host.number -= reply.status == Status.ROOM
    host.number %= 256
    found += reply.payload
    for line in [b"", b"", *more[12:], b"", b""]:
        host.rest()
        found += host.good(Kind.STREAM, line).payload
    assert found == wanted + then


def test_a_packet_longer_than_the_ring_is_damaged(host):
    damaged = host.good(Kind.STREAM).damaged
    assert host.send(Kind.STREAM, bytes(RING + 1)) is None
    host.number -= 1
    assert host.good(Kind.STREAM, bytes(RING)).damaged == damaged + 1


def test_payloads_of_another_length_are_refused(host):
    for kind, payload in ((Kind.READ, b""), (Kind.READ, bytes(4)), (Kind.WRITE, bytes(6)),
                          (Kind.OPEN, b"\0"), (7, b"")):
        assert host.send(kind, payload).status == Status.LENGTH
        host.number -= 1
    host.good(Kind.STREAM)


def test_open_forgets_everything_before(host):
    """A request that was cut off, half a frame, and results that nobody took."""
    lines, wanted = host.frame(6)
    for line in lines[:7]:
        host.good(Kind.STREAM, line)
    host.port.write(protocol.request(host.number + 1, Kind.STREAM, lines[7])[:-5])
    host.number = 77
    assert host.good(Kind.OPEN).room == RING
    found = b""
    for line in [*lines, *[b""] * 20]:
        found += host.good(Kind.STREAM, line).payload
    assert found == wanted
    assert host.register("status") >> 8 == 0


def test_empty_segments_and_those_of_no_weight_stream_do_nothing(host):
    lines, wanted = host.frame(7)
    nothing = np.zeros((0, 1), np.uint8)
    strange = (protocol.segment(nothing, first=True, last=True)
               + protocol.segment(nothing, weights=True))
    found = b""
    for line in [*lines, *[b""] * 20]:
        found += host.good(Kind.STREAM, strange + line).payload
    assert found == wanted


def test_an_engine_slower_than_the_link(tmp_path, model_cache):
    design, emulation = board("ecpix5-45f", tmp_path, model_cache, baud=12_500_000, clock=13e6,
                              k="2", s="2", height=4, width=4)
    assert emulation.clock <= 13e6
    for seed in range(3):
        check_frame(Session(Port(emulation)), design, np.random.default_rng(seed))


@pytest.fixture
def alone():
    """Function that runs `host(ctx, link, ask)` with a link whose engine has no clock."""
    link = Link(pixel_bytes=1, result_bytes=1, weight_bytes=0, divisor=DIVISOR, depth=16)
    m = Module()
    m.submodules.link = link
    m.domains.engine = ClockDomain()
    simulator = Simulator(m)
    simulator.add_clock(CYCLE)
    simulator.add_clock(1, domain="engine")     # once a second

    async def ask(ctx, number, kind, payload=b""):
        for byte in protocol.request(number, kind, payload):
            for bit in (0, *((byte >> n) & 1 for n in range(8)), 1):
                ctx.set(link.rx, bit)
                await ctx.delay(DIVISOR * CYCLE)
        line = bytearray()
        while line.count(END) < 2:
            if ctx.get(link.tx):
                await ctx.negedge(link.tx)
            byte = 0
            for n in range(10):
                await ctx.delay((DIVISOR if n else DIVISOR / 2) * CYCLE)
                byte |= ctx.get(link.tx) << n
            line.append(byte >> 1 & 0xFF)
        return protocol.reply(bytes(line[1:-1])).status

    def run(host):
        async def testbench(ctx):
            ctx.set(link.rx, 1)
            await ctx.delay(10 * CYCLE)
            await host(ctx, link, ask)
        simulator.add_testbench(testbench)
        simulator.run()
    return run


def test_an_engine_that_does_not_answer_does_not_stop_the_link(alone):
    """The link says so, and answers what does not need the engine."""
    async def host(ctx, link, ask):
        assert await ask(ctx, 1, Kind.STREAM) == Status.NUMBER      # not open
        assert await ask(ctx, 2, Kind.OPEN) == Status.OK
        assert await ask(ctx, 3, Kind.STREAM) == Status.OK
        assert await ask(ctx, 4, Kind.READ, ACCESS.pack(0, 0)) == Status.SILENT
        assert await ask(ctx, 4, Kind.STREAM) == Status.NUMBER
        assert await ask(ctx, 5, Kind.OPEN) == Status.OK
        assert await ask(ctx, 6, Kind.STREAM) == Status.OK
    alone(host)


def test_an_engine_that_was_reset_by_its_pll_has_to_be_opened_again(alone):
    """Or the two sides of a crossing could differ in what they think is on its way."""
    async def host(ctx, link, ask):
        assert await ask(ctx, 1, Kind.OPEN) == Status.OK
        assert await ask(ctx, 2, Kind.STREAM) == Status.OK
        ctx.set(link.lost, 1)
        await ctx.delay(3 * CYCLE)
        ctx.set(link.lost, 0)
        assert await ask(ctx, 3, Kind.STREAM) == Status.NUMBER
        assert await ask(ctx, 4, Kind.OPEN) == Status.OK
        assert await ask(ctx, 5, Kind.STREAM) == Status.OK
    alone(host)


def test_packets_round_trip():
    rng = random.Random(3)
    for _ in range(300):
        payload = bytes(rng.choices([END, ESC, 0, 255, 0xDC, 0xDD], k=rng.randrange(40)))
        body = protocol.REPLY.pack(len(payload), 3, 0x80 | Kind.READ << 4, 5, 6) + payload
        reply = protocol.reply(protocol.packet(body)[1:-1])
        assert reply == protocol.Reply(3, Kind.READ, Status.OK, 5, 6, payload)


def test_what_the_host_does_not_take_for_a_reply():
    good = protocol.packet(protocol.REPLY.pack(0, 3, 0x80, 5, 6))[1:-1]
    assert protocol.reply(good).room == 5
    for content, message in (
            (good[:-1], "CRC"), (b"abc", "CRC"), (bytes([ESC, 1]) + good, "ESC"),
            (bytes([ESC]), "ESC"),
            (protocol.packet(protocol.REPLY.pack(1, 3, 0x80, 5, 6))[1:-1], "1 bytes of payload"),
            (protocol.packet(b"abc")[1:-1], "at least"),
            (protocol.request(1, Kind.STREAM, bytes(9))[1:-1], "bytes of payload, not"),
            (protocol.packet(protocol.REPLY.pack(0, 3, 0x87, 5, 6))[1:-1], "status from 0 to 5"),
            (protocol.packet(protocol.REPLY.pack(0, 3, 3, 5, 6))[1:-1], "looped back")):
        with pytest.raises(Damaged, match=message):
            protocol.reply(content)


@pytest.mark.parametrize("clock, baud, message", [
    (12_000_000, 0, "baud must be from 1 to 3000000"),
    (12_000_000, 4_000_000, "baud must be from 1 to 3000000"),
    (12_000_000, 2_700_000, "within 2% of 12000000 / 4, not 2700000"),
])
def test_rates_that_a_clock_does_not_make(clock, baud, message):
    with pytest.raises(ValueError, match=message):
        divisor(clock, baud)


def test_rates_of_clocks():
    assert [divisor(25_000_000, baud) for baud in (115_200, 1_000_000)] == [217, 25]
