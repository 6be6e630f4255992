// Clocks the top of a board for emulation.py: the reference clock and the two pins of the line.
//
// verilator.py includes this file after the generated classes and defines HAS_WAVES, CLOCK, RX and
// TX (the ports), HALF_PERIOD of the clock in picoseconds, and DIVISOR, its cycles in a bit.

#include "Vmodel.h"

#include <cstdint>
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

constexpr int BITS = 10;
constexpr unsigned NO_STOP = 1 << 8;    // of a byte to send: its stop bit is missing

// A byte on the line, a bit each DIVISOR cycles.
struct Sender {
    unsigned bits = 0;
    int left = 0, timer = 0;

    bool step(const std::uint16_t* next, CData& pin) {
        if (timer > 0) return --timer, false;
        bool taken = false;
        if (left == 0) {
            if (!next) return pin = 1, false;
            bits = (*next & 0xFF) << 1 | !(*next & NO_STOP) << 9;
            left = BITS;
            taken = true;
        }
        pin = bits & 1;
        bits >>= 1;
        --left;
        timer = DIVISOR - 1;
        return taken;
    }
};

// A bit in its middle; a byte without stop bit is marked.
struct Receiver {
    unsigned bits = 0;
    int left = 0, timer = 0;

    bool step(CData pin, std::uint16_t& found) {
        if (left == 0) {
            if (pin) return false;
            left = BITS;
            timer = DIVISOR / 2;
        }
        if (timer > 0) return --timer, false;
        timer = DIVISOR - 1;
        bits = bits >> 1 | unsigned(pin) << (BITS - 1);
        if (--left) return false;
        found = (bits >> 1 & 0xFF) | (bits >> 9 ? 0 : NO_STOP);
        return true;
    }
};

class Simulation {
    VerilatedContext context;
    Vmodel model{&context};
    Sender sender;
    Receiver receiver;
#if HAS_WAVES
    VerilatedVcdC waves;
#endif

    void evaluate() {
        model.eval();
#if HAS_WAVES
        waves.dump(context.time());
#endif
    }

    // Half a cycle, with everything that happens within it.
    void half(CData level) {
        model.CLOCK = level;
        evaluate();
        const std::uint64_t end = context.time() + HALF_PERIOD;
        while (model.eventsPending() && model.nextTimeSlot() < end) {
            context.time(model.nextTimeSlot());
            evaluate();
        }
        context.time(end);
    }

public:
    std::int64_t cycle = 0;
    std::string message;

    explicit Simulation(const char* path) {
        model.CLOCK = 0;
        model.RX = 1;
#if HAS_WAVES
        context.traceEverOn(true);
        model.trace(&waves, 99);
        waves.open(path);
        if (!waves.isOpen()) message = std::string("cannot write the waves to ") + path;
#else
        (void)path;
#endif
        evaluate();
    }

    ~Simulation() {
#if HAS_WAVES
        waves.close();
#endif
        model.final();
    }

    void run(std::int64_t cycles, const std::uint16_t* out, std::int64_t count,
             std::uint16_t* in, std::int64_t room, std::int64_t* sent, std::int64_t* received) {
        for (*sent = *received = 0; cycles > 0 && *received < room; --cycles, ++cycle) {
            *sent += sender.step(*sent < count ? out + *sent : nullptr, model.RX);
            *received += receiver.step(model.TX, in[*received]);
            half(1);
            half(0);
        }
    }
};

}  // namespace

#define API extern "C" __attribute__((visibility("default")))

API Simulation* create(const char* waves) { return new Simulation(waves); }

API void destroy(Simulation* simulation) { delete simulation; }

API const char* message(const Simulation* simulation) { return simulation->message.c_str(); }

API std::int64_t cycle(const Simulation* simulation) { return simulation->cycle; }

// 0, or -1 and a message
API int run(Simulation* simulation, std::int64_t cycles, const std::uint16_t* out,
            std::int64_t count, std::uint16_t* in, std::int64_t room, std::int64_t* sent,
            std::int64_t* received) {
    try {
        simulation->run(cycles, out, count, in, room, sent, received);
        return 0;
    } catch (const std::exception& error) {
        simulation->message = error.what();
        return -1;
    }
}
