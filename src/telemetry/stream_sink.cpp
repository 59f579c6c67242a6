#include "telemetry/stream_sink.hpp"

#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>

#include <climits>

#include "telemetry/format.hpp"

namespace memoir::telemetry {
namespace {

// A pipe that poll() reports as writable accepts PIPE_BUF bytes without blocking; a file accepts any number.
std::size_t piece_size(int descriptor) {
    struct stat status {};
    const bool file = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    return file ? std::size_t{64} << 10 : PIPE_BUF;
}

bool wait_until_writable(int descriptor, const std::stop_token& stop) {
    while (true) {
        pollfd one{descriptor, POLLOUT, 0};
        const int ready = poll(&one, 1, 200);
        if (ready > 0) return (one.revents & POLLOUT) != 0 && (one.revents & POLLERR) == 0;
        if (stop.stop_requested()) return false;
    }
}

}  // namespace

StreamSink::StreamSink(std::FILE* stream, Lines lines)
    : descriptor_(fileno(stream)),
      lines_(lines),
      piece_(piece_size(descriptor_)),
      out_(std::make_shared<spdlog::sinks::stdout_sink_base<spdlog::details::console_nullmutex>>(stream)) {
    // Lines are complete, with their line end.
    out_->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, ""));
}

StreamSink::~StreamSink() = default;

bool StreamSink::put(std::string_view text, const std::stop_token& stop) {
    while (!text.empty()) {
        if (!wait_until_writable(descriptor_, stop)) return false;
        const auto piece = text.substr(0, piece_);
        out_->log(spdlog::details::log_msg("", spdlog::level::info,
                                           spdlog::string_view_t(piece.data(), piece.size())));
        text.remove_prefix(piece.size());
    }
    return true;
}

std::size_t StreamSink::write(std::span<const Stamped> events, std::stop_token stop) {
    std::string buffer, line;
    std::size_t held = 0, lost = 0;  // lines in the buffer; lines that could not be written
    const auto hand_over = [&] {
        if (!put(buffer, stop)) lost += held;
        buffer.clear();
        held = 0;
    };
    for (std::size_t i = 0; i < events.size(); ++i) {
        line.clear();
        if (lines_ == Lines::json)
            append_json_line(line, events[i]);
        else
            append_text_line(line, events[i]);
        if (!buffer.empty() && buffer.size() + line.size() > piece_) hand_over();
        if (lost > 0 && stop.stop_requested())
            return lost + events.size() - i;  // without waiting for the other pieces
        buffer += line;
        ++held;
    }
    hand_over();
    return lost;
}

}  // namespace memoir::telemetry
