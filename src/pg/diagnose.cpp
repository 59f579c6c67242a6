#include "pg/diagnose.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace memoir::pg {
namespace {

bool is_plain(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_';
}

// Names come from the catalogue, but a function may RAISE with any text as a name: only what looks like an
// ordinary identifier, of PostgreSQL's 63 bytes at most, is one.
std::string name_of(const PGresult* result, int field) {
    const char* value = PQresultErrorField(result, field);
    const std::string_view name = value == nullptr ? "" : value;
    return name.size() <= 63 && std::ranges::all_of(name, is_plain) ? std::string(name) : "";
}

std::string object_of(const PGresult* result) {
    if (auto constraint = name_of(result, PG_DIAG_CONSTRAINT_NAME); !constraint.empty()) return constraint;
    const auto table = name_of(result, PG_DIAG_TABLE_NAME);
    const auto column = name_of(result, PG_DIAG_COLUMN_NAME);
    return table.empty() || column.empty() ? table + column : table + "." + column;
}

bool is_sqlstate(std::string_view text) {
    return text.size() == 5 && std::ranges::all_of(text, [](char letter) {
               return (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z');
           });
}

// "… failed: FATAL:  28P01": of several lines (several tries) the last one counts.
std::string_view sqlstate_in(std::string_view message) {
    std::string_view found;
    while (!message.empty()) {
        const auto end = message.find('\n');
        const auto line = message.substr(0, end);
        if (line.size() > 8 && line.substr(line.size() - 8, 3) == ":  " &&
            is_sqlstate(line.substr(line.size() - 5)))
            found = line.substr(line.size() - 5);
        message = end == std::string_view::npos ? std::string_view{} : message.substr(end + 1);
    }
    return found;
}

struct Phrase {
    std::string_view theirs;
    ErrorClass error_class;
    std::string_view ours;
};

constexpr std::array phrases{
    Phrase{"server does not support SSL", ErrorClass::permission,
           "the server offers no TLS, which sslmode asks for"},
    Phrase{"certificate verify failed", ErrorClass::permission,
           "the server's certificate is not signed by a CA in sslrootcert"},
    Phrase{"does not match host name", ErrorClass::permission,
           "the server's certificate is for another host name"},
    Phrase{"root certificate file", ErrorClass::permission, "sslrootcert cannot be read"},
    Phrase{"certificate file", ErrorClass::permission, "sslcert cannot be read"},
    Phrase{"private key file", ErrorClass::permission, "sslkey cannot be read, or others may read it"},
    Phrase{"channel binding", ErrorClass::permission, "channel_binding cannot be met"},
    Phrase{"no password supplied", ErrorClass::permission, "the server asks for a password; none is given"},
    Phrase{"authentication method", ErrorClass::permission,
           "the server asks for an unsupported authentication"},
    Phrase{"session is read-only", ErrorClass::read_only, "the session is read-only (target_session_attrs)"},
    Phrase{"server is in hot standby mode", ErrorClass::read_only,
           "the server is a standby (target_session_attrs)"},
    Phrase{"SSL", ErrorClass::connection, "TLS failed"},
    Phrase{"refused", ErrorClass::connection, "refused"},
    Phrase{"No such file or directory", ErrorClass::connection, "refused: no such socket"},
    Phrase{"Permission denied", ErrorClass::permission, "the socket may not be opened"},
    Phrase{"No route to host", ErrorClass::connection, "no route to the host"},
    Phrase{"unreachable", ErrorClass::connection, "network unreachable"},
    Phrase{"timed out", ErrorClass::connection, "timed out"},
    Phrase{"closed the connection unexpectedly", ErrorClass::connection, "closed by the server"},
    Phrase{"reset by peer", ErrorClass::connection, "reset by the server"},
    Phrase{"invalid", ErrorClass::other, "an option of the connection string is invalid"},
    Phrase{"service", ErrorClass::other, "the service is not in the service file"},
    Phrase{"could not match", ErrorClass::other, "the lists of hosts and ports differ in length"},
};

}  // namespace

Error diagnose(const PGresult* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == nullptr || !is_sqlstate(state))
        return {ErrorClass::connection, "", "the connection was lost"};
    std::string text = described(state);
    if (const auto object = object_of(result); !object.empty()) text += " on " + object;
    const char* position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (position != nullptr) text += " at position " + std::string(position).substr(0, 10);
    return {classify(state), state, text};
}

Error diagnose_connect(std::string_view message) {
    const auto state = sqlstate_in(message);
    if (state == "53300")
        return {classify(state), std::string(state),
                "connect: the connection limit of the server, the database or the role is reached: " +
                    described(state)};
    if (!state.empty()) return {classify(state), std::string(state), "connect: " + described(state)};
    const auto* phrase = std::ranges::find_if(
        phrases, [&](const Phrase& candidate) { return message.find(candidate.theirs) != message.npos; });
    if (phrase != phrases.end()) return {phrase->error_class, "", "connect: " + std::string(phrase->ours)};
    return {ErrorClass::connection, "",
            "connect: failed (message of " + std::to_string(message.size()) + " bytes)"};
}

}  // namespace memoir::pg
