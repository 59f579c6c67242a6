#pragma once
// Events as entries of systemd's journal, each field by its own name. Speaks the journal's native protocol (a
// datagram an entry, systemd.io/JOURNAL_NATIVE_PROTOCOL) on a socket of its own: sd_journal_sendv sends the
// same bytes, but blocks without end while journald is stopped and its queue is full, and then a daemon that
// is told to stop could not. Here a send lasts 200 ms at most. Fields: MESSAGE, PRIORITY, MESSAGE_ID (from
// the catalog), SYSLOG_IDENTIFIER, MEMOIR_EVENT and MEMOIR_<FIELD>.

#include <string>

#include "telemetry/sink.hpp"

namespace memoir::telemetry {

// One entry in the journal's wire format. Values over 16 KiB are cut, so that an entry fits a datagram.
std::string journal_entry(const Stamped& stamped, std::string_view identifier);

class JournalSink final : public Sink {
  public:
    static constexpr const char* journald = "/run/systemd/journal/socket";

    // Throws std::system_error when there is no socket to be had at all. `path` need not exist yet.
    explicit JournalSink(std::string identifier, std::string path = journald);
    ~JournalSink() override;
    JournalSink(const JournalSink&) = delete;
    JournalSink& operator=(const JournalSink&) = delete;
    std::size_t write(std::span<const Stamped> events, std::stop_token stop) override;

  private:
    bool send(const std::string& entry, const std::stop_token& stop);

    std::string identifier_, path_;
    int socket_;
};

// Whether standard error is a stream to the journal: $JOURNAL_STREAM is "device:inode" of it (systemd.exec).
// The variable alone proves nothing: children of services inherit it.
bool stderr_is_journal();

}  // namespace memoir::telemetry
