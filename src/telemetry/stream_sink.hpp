#pragma once
// Lines on a stream, through spdlog: text for people or JSON for programs. Before each piece it polls the
// descriptor, and it writes no more than a pipe accepts at once, so that a reader that has stopped reading
// holds the thread for at most 200 ms and a stop always gets through.

#include <cstdio>
#include <memory>
#include <string>

#include "telemetry/sink.hpp"

namespace spdlog::sinks {
class sink;
}

namespace memoir::telemetry {

enum class Lines { text, json };

class StreamSink final : public Sink {
  public:
    StreamSink(std::FILE* stream, Lines lines);  // the stream outlives this
    ~StreamSink() override;
    std::size_t write(std::span<const Stamped> events, std::stop_token stop) override;

  private:
    bool put(std::string_view text, const std::stop_token& stop);

    int descriptor_;
    Lines lines_;
    std::size_t piece_;  // bytes written at once
    std::shared_ptr<spdlog::sinks::sink> out_;
};

}  // namespace memoir::telemetry
