"""A link with a line at one end, and at the other an engine that is a few lines of Python."""

from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from boards.link import protocol
from boards.link.link import Link
from boards.link.protocol import END, Kind, Status

DIVISOR = 4
PIXEL_BYTES, RESULT_BYTES, WEIGHT_BYTES = 2, 3, 4
SILENCE = 1000      # cycles with nothing on the line after which no reply comes
LIMIT = 400_000     # cycles of a test
CYCLE = 1e-6        # seconds


class LinkBench:
    """The link under test.

    Attributes
    ----------
    pixels, weights : list of (int, bool, bool)
        What the engine took: data, first, last.
    results : list of int
        What it gives, beat by beat.
    registers : dict
        Its registers by address; all others refuse. One whose value is None never answers.
    resets : int
        How often it was reset.
    """

    def __init__(self, *, depth=64, weights=True, engine_period=0.7e-6):
        self.link = Link(pixel_bytes=PIXEL_BYTES, result_bytes=RESULT_BYTES,
                         weight_bytes=WEIGHT_BYTES if weights else 0, divisor=DIVISOR, depth=depth)
        self.pixels, self.weights, self.results, self.resets = [], [], [], 0
        self.registers = {0: 0x504C5950}
        self.number = 9
        self._period = engine_period

    def run(self, host):
        """Run `host(bench)`, with `self.ctx` the context of the host's clock."""
        m = Module()
        m.submodules.link = self.link
        m.domains.engine = engine = ClockDomain()
        m.d.comb += engine.rst.eq(self.link.reset)
        simulator = Simulator(m)
        simulator.add_clock(CYCLE)
        simulator.add_clock(self._period, domain="engine")

        async def testbench(ctx):
            self.ctx = ctx
            ctx.set(self.link.rx, 1)
            await host(self)

        async def watchdog(ctx):
            await ctx.delay(LIMIT * CYCLE)
            raise TimeoutError(f"not done after {LIMIT} cycles")
        simulator.add_testbench(testbench)
        for part in (watchdog, self._take_pixels, self._take_weights, self._give, self._answer,
                     self._count_resets):
            simulator.add_testbench(part, background=True)
        simulator.run()

    async def wait(self, cycles):
        """Do nothing."""
        await self.ctx.delay(cycles * CYCLE)

    async def send(self, line):
        """Bytes onto the line; a pair (byte, stop bit) may lack its stop bit."""
        for byte in line:
            byte, stop = byte if isinstance(byte, tuple) else (byte, 1)
            for bit in (0, *((byte >> n) & 1 for n in range(8)), stop):
                self.ctx.set(self.link.rx, bit)
                await self.wait(DIVISOR)
            self.ctx.set(self.link.rx, 1)

    async def receive(self):
        """What stands between two END, or None if nothing comes."""
        content = bytearray()
        while True:
            if self.ctx.get(self.link.tx):
                begun, _ = await self.ctx.negedge(self.link.tx).delay(SILENCE * CYCLE)
                if not begun:
                    assert not content
                    return None
            bits = []
            for n in range(10):
                await self.wait(DIVISOR if n else DIVISOR // 2)
                bits.append(self.ctx.get(self.link.tx))
            assert (bits[0], bits[9]) == (0, 1)
            byte = sum(bit << n for n, bit in enumerate(bits[1:9]))
            if byte != END:
                content.append(byte)
            elif content:
                return bytes(content)

    async def ask(self, kind, payload=b"", number=None):
        """Send a request with the next number, or another one; returns the reply."""
        if number is None:
            self.number = number = (self.number + 1) % 256
        await self.send(protocol.request(number, kind, payload))
        content = await self.receive()
        if content is None:
            return None
        reply = protocol.reply(content)
        assert (reply.number, reply.kind) == (number, kind % 4)
        return reply

    async def good(self, kind, payload=b""):
        """Payload of the reply to a request that is fulfilled."""
        reply = await self.ask(kind, payload)
        assert reply.status == Status.OK
        return reply.payload

    async def open(self):
        """Begin."""
        assert await self.good(Kind.OPEN) == protocol.VALUE.pack(protocol.VERSION)

    async def _take(self, stream, taken):
        ctx = self.ctx_of_engine
        ctx.set(stream.ready, 1)
        while True:
            _, _, valid, payload = await ctx.tick("engine").sample(stream.valid, stream.payload)
            if valid:
                taken.append((payload.data, bool(payload.first), bool(payload.last)))

    async def _take_pixels(self, ctx):
        self.ctx_of_engine = ctx
        await self._take(self.link.pixels, self.pixels)

    async def _take_weights(self, ctx):
        self.ctx_of_engine = ctx
        await self._take(self.link.weights, self.weights)

    async def _give(self, ctx):
        given = 0
        while True:
            stream = self.link.results
            ctx.set(stream.valid, given < len(self.results))
            if given < len(self.results):
                ctx.set(stream.payload, self.results[given])
            _, _, valid, ready = await ctx.tick("engine").sample(stream.valid, stream.ready)
            given += valid & ready

    async def _answer(self, ctx):
        bus, okay, refused = self.link.bus, 0, 2
        while True:
            write, read = ctx.get(bus.awvalid & bus.wvalid), ctx.get(bus.arvalid)
            if not write and not read:
                await ctx.tick("engine")
                continue
            address = ctx.get(bus.awaddr if write else bus.araddr)
            known = address in self.registers
            for ready in (bus.awready, bus.wready) if write else (bus.arready,):
                ctx.set(ready, 1)
            data = ctx.get(bus.wdata)
            await ctx.tick("engine")
            for ready in (bus.awready, bus.wready, bus.arready):
                ctx.set(ready, 0)
            if write and known:
                self.registers[address] = data
            value = self.registers.get(address, 0)
            if value is None:
                continue
            valid, answered = (bus.bvalid, bus.bready) if write else (bus.rvalid, bus.rready)
            ctx.set(bus.bresp if write else bus.rresp, okay if known else refused)
            ctx.set(bus.rdata, value)
            ctx.set(valid, 1)
            await ctx.tick("engine").until(answered)
            ctx.set(valid, 0)

    async def _count_resets(self, ctx):
        while True:
            await ctx.posedge(self.link.reset)
            self.resets += 1
