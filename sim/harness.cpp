// Clocks one Verilated engine for compiled.py: whole streams per call, and no Python in a cycle.
//
// A cycle is: drive the inputs with aclk low, evaluate, sample every handshake, then raise aclk.
// verilator.py includes this file after the generated classes and defines HAS_WEIGHTS, HAS_WAVES,
// INPUT_BYTES, OUTPUT_BYTES, WEIGHT_BYTES and ADDRESS_BITS.

#include "Vmodel.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#if HAS_WAVES
#include "verilated_vcd_c.h"
#endif

// Verilator's own version ends the process, which would take Python with it.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw std::runtime_error(std::string(message) + " (" + file + ":" + std::to_string(line) + ")");
}

namespace {

// compiled.py mirrors these three, so every member is eight bytes wide.
struct Source {
    const std::uint8_t *data, *first, *last;
    const std::int64_t* gaps;
    std::int64_t* accepted;
    std::int64_t count, sent, wait, offered;
};

struct Sink {
    std::uint8_t *data, *first, *last;
    const std::uint8_t* ready;
    std::int64_t* emitted;
    std::int64_t count, received, period, phase;
};

struct Job {
    Source pixels, weights;
    Sink sink;
    std::int64_t timeout, silence;
};

enum Status { FAILED = -1, MORE = 0, DONE = 1, TIMED_OUT = 2 };

constexpr int ANSWER_LIMIT = 1000;

std::string hexadecimal(std::uint32_t value) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%x", static_cast<unsigned>(value));
    return text;
}

// One input stream. A narrow port is an integer and a wide one a VlWide: both little endian.
template <std::size_t BYTES, class Port>
class Driver {
    Port tdata;
    CData &tvalid, &tlast, &tuser;
    const CData& tready;

public:
    Driver(Port tdata, CData& tvalid, CData& tlast, CData& tuser, const CData& tready)
        : tdata{tdata}, tvalid{tvalid}, tlast{tlast}, tuser{tuser}, tready{tready} {
        static_assert(sizeof(tdata) >= BYTES, "the port holds the beat");
        std::memset(&tdata, 0, sizeof tdata);
        park();
    }

    // A payload without tvalid means nothing, so offer one that an engine would notice using.
    void park() {
        std::memset(&tdata, 0xA5, BYTES);
        tlast = tuser = 1;
        tvalid = 0;
    }

    void drive(Source& source) {
        if (source.offered) return;
        if (source.sent == source.count || source.wait > 0) {
            if (source.wait > 0) --source.wait;
            if (tvalid) park();
            return;
        }
        std::memcpy(&tdata, source.data + source.sent * BYTES, BYTES);
        tlast = source.last[source.sent];
        tuser = source.first[source.sent];
        tvalid = 1;
        source.offered = 1;
    }

    bool sample(Source& source, std::int64_t cycle) {
        if (!(source.offered && tready)) return false;
        source.offered = 0;
        source.accepted[source.sent++] = cycle;
        source.wait = source.gaps && source.sent < source.count ? source.gaps[source.sent] : 0;
        return true;
    }
};

class Simulation {
    VerilatedContext context;
    Vmodel model{&context};
    Driver<INPUT_BYTES, decltype(Vmodel::s_axis_tdata)> pixels{
        model.s_axis_tdata, model.s_axis_tvalid, model.s_axis_tlast, model.s_axis_tuser,
        model.s_axis_tready};
#if HAS_WEIGHTS
    CData no_tuser = 0;
    Driver<WEIGHT_BYTES, decltype(Vmodel::s_axis_weights_tdata)> weights{
        model.s_axis_weights_tdata, model.s_axis_weights_tvalid, model.s_axis_weights_tlast,
        no_tuser, model.s_axis_weights_tready};
#endif
#if HAS_WAVES
    VerilatedVcdC waves;
#endif
    std::uint8_t held[OUTPUT_BYTES];
    CData held_last = 0, held_user = 0;

    [[noreturn]] static void fail(const std::string& what, std::int64_t when) {
        throw std::runtime_error(what + " at cycle " + std::to_string(when));
    }

    void evaluate(CData level) {
        model.aclk = level;
        model.eval();
#if HAS_WAVES
        waves.dump(context.time());
        context.timeInc(5);
#endif
    }

    void unchanged(bool same, const char* what) const {
        if (!same) fail(std::string(what) + " while stalled (tvalid without tready)", cycle);
    }

    void settle() {
        evaluate(0);
        if (stalled) {
            unchanged(model.m_axis_tvalid, "m_axis_tvalid fell");
            const bool same = !std::memcmp(held, &model.m_axis_tdata, OUTPUT_BYTES);
            unchanged(same, "m_axis_tdata changed");
            unchanged(held_last == model.m_axis_tlast, "m_axis_tlast changed");
            unchanged(held_user == model.m_axis_tuser, "m_axis_tuser changed");
        }
        stalled = model.m_axis_tvalid && !model.m_axis_tready;
        if (!stalled) return;
        std::memcpy(held, &model.m_axis_tdata, OUTPUT_BYTES);
        held_last = model.m_axis_tlast;
        held_user = model.m_axis_tuser;
    }

    void edge() {
        evaluate(1);
        ++cycle;
    }

    bool collect(Sink& sink) {
        if (!(model.m_axis_tvalid && model.m_axis_tready)) return false;
        std::memcpy(sink.data + sink.received * OUTPUT_BYTES, &model.m_axis_tdata, OUTPUT_BYTES);
        sink.first[sink.received] = model.m_axis_tuser;
        sink.last[sink.received] = model.m_axis_tlast;
        sink.emitted[sink.received++] = cycle;
        return true;
    }

public:
    std::int64_t cycle = 0;
    bool stalled = false;
    std::string message;

    explicit Simulation(const char* path) {
        model.aclk = 0;
        model.aresetn = 0;
        quiet();
#if HAS_WAVES
        context.traceEverOn(true);
        model.trace(&waves, 99);
        waves.open(path);
        if (!waves.isOpen()) message = std::string("cannot write the waves to ") + path;
#else
        (void)path;
#endif
    }

    ~Simulation() {
#if HAS_WAVES
        waves.close();
#endif
        model.final();
    }

    void quiet() {
        pixels.park();
#if HAS_WEIGHTS
        weights.park();
#endif
        model.m_axis_tready = 0;
        model.s_axi_awvalid = model.s_axi_wvalid = model.s_axi_bready = 0;
        model.s_axi_arvalid = model.s_axi_rready = 0;
    }

    void flush() {
#if HAS_WAVES
        waves.flush();
#endif
    }

    void reset(std::int64_t cycles) {
        model.aresetn = 0;
        for (; cycles > 0; --cycles) {
            evaluate(0);
            evaluate(1);
        }
        model.aresetn = 1;
        cycle = 0;
        stalled = false;
    }

    void idle(std::int64_t cycles) {
        for (; cycles > 0; --cycles) {
            settle();
            edge();
        }
    }

    Status stream(Job& job, std::int64_t cycles) {
        for (; cycles > 0; --cycles) {
            Sink& sink = job.sink;
            if (job.pixels.sent == job.pixels.count && job.weights.sent == job.weights.count
                && sink.received == sink.count)
                return DONE;
            if (job.silence >= job.timeout) return TIMED_OUT;
            pixels.drive(job.pixels);
#if HAS_WEIGHTS
            weights.drive(job.weights);
#endif
            model.m_axis_tready = sink.received < sink.count && sink.ready[sink.phase];
            if (++sink.phase == sink.period) sink.phase = 0;
            settle();
            bool moved = pixels.sample(job.pixels, cycle);
#if HAS_WEIGHTS
            moved |= weights.sample(job.weights, cycle);
#endif
            moved |= collect(sink);
            job.silence = moved ? 0 : job.silence + 1;
            edge();
        }
        return MORE;
    }

    void write(std::uint32_t address, std::uint32_t data, std::uint32_t strobe) {
        const std::string what = "the write to " + hexadecimal(address);
        bool addressed = false, filled = false;
        model.s_axi_awaddr = address;
        model.s_axi_wdata = data;
        model.s_axi_wstrb = strobe;
        model.s_axi_bready = 1;
        for (int waited = 0; waited < ANSWER_LIMIT; ++waited) {
            model.s_axi_awvalid = !addressed;
            model.s_axi_wvalid = !filled;
            settle();
            addressed |= model.s_axi_awready;
            filled |= model.s_axi_wready;
            const bool answered = model.s_axi_bvalid;
            const unsigned response = model.s_axi_bresp;
            edge();
            if (answered) return conclude(what, addressed && filled, response);
        }
        unanswered(what);
    }

    std::uint32_t read(std::uint32_t address) {
        const std::string what = "the read of " + hexadecimal(address);
        bool addressed = false;
        model.s_axi_araddr = address;
        model.s_axi_rready = 1;
        for (int waited = 0; waited < ANSWER_LIMIT; ++waited) {
            model.s_axi_arvalid = !addressed;
            settle();
            addressed |= model.s_axi_arready;
            const bool answered = model.s_axi_rvalid;
            const unsigned response = model.s_axi_rresp;
            const std::uint32_t data = model.s_axi_rdata;
            edge();
            if (answered) return conclude(what, addressed, response), data;
        }
        unanswered(what);
    }

private:
    [[noreturn]] void unanswered(const std::string& what) const {
        fail("no answer within " + std::to_string(ANSWER_LIMIT) + " cycles to " + what, cycle - 1);
    }

    void conclude(const std::string& what, bool accepted, unsigned response) const {
        static const char* const names[] = {"OKAY", "EXOKAY", "SLVERR", "DECERR"};
        if (!accepted) fail("an answer before its acceptance to " + what, cycle - 1);
        if (response) fail(std::string(names[response]) + " was the answer to " + what, cycle - 1);
    }
};

// Whatever happens, the inputs are idle afterwards, except between two chunks of one stream.
template <class Action>
int guarded(Simulation* simulation, Action action) {
    int status = FAILED;
    try {
        status = action(*simulation);
    } catch (const std::exception& error) { simulation->message = error.what(); }
    if (status != MORE) {
        simulation->quiet();
        simulation->flush();
    }
    return status;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))

API const std::int32_t widths[] = {INPUT_BYTES, OUTPUT_BYTES, WEIGHT_BYTES, ADDRESS_BITS};

API Simulation* create(const char* waves) { return new Simulation(waves); }

API void destroy(Simulation* simulation) { delete simulation; }

API const char* message(const Simulation* simulation) { return simulation->message.c_str(); }

API std::int64_t cycle(const Simulation* simulation) { return simulation->cycle; }

API int stalled(const Simulation* simulation) { return simulation->stalled; }

API int reset(Simulation* simulation, std::int64_t cycles) {
    return guarded(simulation, [=](Simulation& s) { return s.quiet(), s.reset(cycles), DONE; });
}

API int idle(Simulation* simulation, std::int64_t cycles) {
    return guarded(simulation, [=](Simulation& s) { return s.quiet(), s.idle(cycles), DONE; });
}

API int stream(Simulation* simulation, Job* job, std::int64_t cycles) {
    return guarded(simulation, [=](Simulation& s) { return s.stream(*job, cycles); });
}

API int write_register(Simulation* simulation, std::uint32_t address, std::uint32_t data,
                       std::uint32_t strobe) {
    return guarded(simulation, [=](Simulation& s) {
        return s.quiet(), s.write(address, data, strobe), DONE;
    });
}

API int read_register(Simulation* simulation, std::uint32_t address, std::uint32_t* data) {
    return guarded(simulation, [=](Simulation& s) {
        return s.quiet(), *data = s.read(address), DONE;
    });
}
