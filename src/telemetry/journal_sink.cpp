#include "telemetry/journal_sink.hpp"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "telemetry/catalog.hpp"
#include "telemetry/escape.hpp"
#include "telemetry/format.hpp"

namespace memoir::telemetry {
namespace {

constexpr std::size_t max_value = 16 << 10;  // a datagram holds about 200 kB
constexpr std::size_t max_name = 64;         // journald ignores longer names
constexpr int slice_ms = 200;

// syslog(3)'s numbers.
char priority(Level level) {
    switch (level) {
        case Level::debug:
            return '7';
        case Level::info:
            return '6';
        case Level::warning:
            return '4';
        case Level::error:
            return '3';
    }
    return '3';
}

// "job_id" → "MEMOIR_JOB_ID". MEMOIR_EVENT is the name of the event, whatever a field is called.
std::string field_name(std::string_view key) {
    std::string name = "MEMOIR_";
    for (const char c : key) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool digit = c >= '0' && c <= '9';
        name += letter ? static_cast<char>(c & ~0x20) : digit ? c : '_';
    }
    if (name == "MEMOIR_EVENT") name += '_';
    name.resize(std::min(name.size(), max_name));
    return name;
}

// A value without a line break is one line; any other is preceded by its length, 64 bits little-endian.
void append(std::string& out, std::string_view name, std::string_view value) {
    value = value.substr(0, max_value);
    out += name;
    if (value.find('\n') == std::string_view::npos) {
        out += '=';
    } else {
        out += '\n';
        for (int shift = 0; shift < 64; shift += 8)
            out += static_cast<char>(std::uint64_t{value.size()} >> shift & 0xff);
    }
    out += value;
    out += '\n';
}

// journalctl shows only MESSAGE, so it says which job, why, and what to do; everything else is in fields.
std::string journal_message(const Event& event) {
    std::string out = event.message;
    for (const Field& field : event.fields) {
        if (field.key != "kind" && field.key != "job_id" && field.key != "error") continue;
        out += ' ';
        out += field.key;
        out += '=';
        append_plain_value(out, value_text(field));
    }
    for (const Field& field : event.fields)
        if (field.key == "hint") out += "\nHINT: " + value_text(field);
    return out;
}

}  // namespace

std::string journal_entry(const Stamped& stamped, std::string_view identifier) {
    const Event& event = stamped.event;
    std::string out;
    append(out, "MESSAGE", journal_message(event));
    append(out, "PRIORITY", std::string_view(std::array{priority(event.level)}.data(), 1));
    if (const CatalogEntry* entry = find_event(event.name)) append(out, "MESSAGE_ID", entry->id);
    append(out, "SYSLOG_IDENTIFIER", identifier);
    append(out, "MEMOIR_EVENT", event.name);
    for (const Field& field : event.fields) append(out, field_name(field.key), value_text(field));
    return out;
}

JournalSink::JournalSink(std::string identifier, std::string path)
    : identifier_(std::move(identifier)),
      path_(std::move(path)),
      socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (path_.size() >= sizeof(sockaddr_un::sun_path))
        throw std::system_error(ENAMETOOLONG, std::generic_category(), "journal socket");
    if (socket_ < 0) throw std::system_error(errno, std::generic_category(), "journal socket");
    const timeval limit{0, slice_ms * 1000L};
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

JournalSink::~JournalSink() {
    close(socket_);
}

bool JournalSink::send(const std::string& entry, const std::stop_token& stop) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    while (true) {
        // Not connected: the name is looked up each time, so that a journald with a new socket is found.
        if (sendto(socket_, entry.data(), entry.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0)
            return true;
        const int error = errno;
        const bool absent = error == ENOENT || error == ECONNREFUSED;
        const bool full = error == EAGAIN || error == EINTR || error == ENOBUFS;
        if (!(absent || full) || stop.stop_requested()) return false;
        if (error != EAGAIN && error != EINTR) poll(nullptr, 0, slice_ms);
    }
}

std::size_t JournalSink::write(std::span<const Stamped> events, std::stop_token stop) {
    std::size_t lost = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (send(journal_entry(events[i], identifier_), stop)) continue;
        if (stop.stop_requested()) return lost + events.size() - i;  // without waiting for the others
        ++lost;
    }
    return lost;
}

bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || fstat(STDERR_FILENO, &status) != 0) return false;
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

}  // namespace memoir::telemetry
