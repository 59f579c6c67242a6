#pragma once
// Events as entries of systemd's journal, each field under its own name. Speaks the journal's native protocol
// (a datagram per entry, systemd.io/JOURNAL_NATIVE_PROTOCOL) on its own socket: sd_journal_sendv sends the
// same bytes, but blocks indefinitely while journald is stopped and its queue is full, and a daemon could
// then not be stopped. Here a send takes at most 200 ms. Fields: MESSAGE, PRIORITY, MESSAGE_ID (from the
// catalog), SYSLOG_IDENTIFIER, MEMOIR_EVENT and MEMOIR_<FIELD>.

#include <string>

#include "telemetry/sink.hpp"

namespace memoir::telemetry {

// One entry in the journal's wire format. Values over 16 KiB are cut, so that an entry fits a datagram.
std::string journal_entry(const Stamped& stamped, std::string_view identifier);

class JournalSink final : public Sink {
  public:
    static constexpr const char* journald = "/run/systemd/journal/socket";

    // Throws std::system_error when no socket can be created. `path` need not exist yet.
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
// The variable alone is not proof: children of services inherit it.
bool stderr_is_journal();

}  // namespace memoir::telemetry
