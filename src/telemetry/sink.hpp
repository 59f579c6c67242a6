#pragma once
// Where events end: the journal, or lines on standard error. Only the thread of a SinkLog calls it.

#include <chrono>
#include <cstddef>
#include <span>
#include <stop_token>

#include "telemetry/log.hpp"

namespace memoir::telemetry {

struct Stamped {
    std::chrono::system_clock::time_point time;
    Event event;
};

class Sink {
  public:
    virtual ~Sink() = default;
    // Writes the events in order and returns how many it had to throw away. A receiver that does not take
    // them is waited for, in slices of at most 200 ms, until `stop`; an event that can never be written is
    // thrown away at once.
    virtual std::size_t write(std::span<const Stamped> events, std::stop_token stop) = 0;
};

}  // namespace memoir::telemetry
